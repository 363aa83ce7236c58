#!/usr/bin/env -S python3 -EsB
"""The certificate of this machine's own TLS server: make its key and request, and fetch what was issued for them.

The key is made here and never leaves. The certificate is public: it is fetched from the proxy, and taken only if a TLS
client of this machine would trust it, with this key, for each of the names. The owner of the key runs it, not root.

    <folder>/current -> <serial>    what the server reads: key.pem and fullchain.pem
    <folder>/next                   a key whose certificate is not here yet
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pwd
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workstation_request import (
    ANNOUNCED,
    CHAIN,
    KEY,
    NAMES,
    PLAYBOOK,
    REQUEST,
    SECONDS,
    SETTINGS,
    CertificateError,
    Settings,
    read_settings,
    request,
)

COMMAND_SECONDS = 600
LONGEST = 16 * 1024 * 1024
# The proxy renews at a third of the life: with less than a quarter left, it has failed for some time.
LATE = 1 / 4


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Wait until no other run works in the folder."""
    folder = os.open(settings.folder, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def offered(settings: Settings) -> str:
    """Return the certificate that the proxy has for this machine, with those of the authority after it."""
    try:
        # The address is the role's own, https.
        with urllib.request.urlopen(settings.url, timeout=SECONDS, context=settings.trust()) as answer:  # noqa: S310
            found = json.loads(answer.read(LONGEST))
    except (OSError, ValueError) as error:
        raise CertificateError(f"{settings.url} cannot be read: {error}. See that the proxy answers.") from error
    chain = found.get(settings.names[0]) if isinstance(found, dict) else None
    if not isinstance(chain, str):
        raise CertificateError(
            f"The proxy has no certificate for {settings.names[0]} yet. Run {PLAYBOOK}; on the proxy, `lightship "
            "doctor` says why none was issued."
        )
    if not chain.isascii():
        raise CertificateError(f"The certificate at {settings.url} is damaged: it is no PEM.")
    return chain


def shown(settings: Settings, chain: Path, key: Path, name: str) -> dict[str, Any]:
    """Return the certificate as a client sees it that trusts it: client and server speak TLS in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without a password, OpenSSL would ask for one.
    server.load_cert_chain(chain, key, password="")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = settings.trust().wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [theirs, ours]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return theirs.getpeercert() or {}


def checked(settings: Settings, chain: Path, key: Path) -> dict[str, Any] | None:
    """Return the certificate if it belongs to the key, nothing if not; an error if this machine does not trust it."""
    found: dict[str, Any] = {}
    for name in settings.names:
        try:
            found = shown(settings, chain, key, name)
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(
                f"{settings.url} has a certificate that is not trusted here for {name}: {error.verify_message}. "
                f"If its authority is not known, set workstation_certificate_ca and run {PLAYBOOK}."
            ) from error
        except (ssl.SSLError, OSError) as error:
            if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
                return None
            raise CertificateError(f"The certificate at {settings.url} is damaged: {error}.") from error
    return found


def seconds(certificate: dict[str, Any], which: str) -> float:
    """Return a time of a certificate."""
    return ssl.cert_time_to_seconds(certificate[which])


def present(settings: Settings) -> dict[str, Any]:
    """Return the certificate in place, nothing if a client would not trust it."""
    try:
        return checked(settings, settings.current / CHAIN, settings.current / KEY) or {}
    except CertificateError:
        return {}


def install(settings: Settings, chain: str) -> str:
    """Put a certificate in place if it is a newer one for a key of this machine; what was done."""
    before = settings.current / CHAIN
    if before.exists() and before.read_text("ascii") == chain:
        return ""
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        made = Path(name, "version")
        made.mkdir()
        (made / CHAIN).write_text(chain, "ascii")
        for pair in (settings.next, settings.current):
            if (pair / KEY).exists() and (found := checked(settings, made / CHAIN, pair / KEY)):
                break
        else:
            raise CertificateError(
                f"{settings.url} has a certificate for {settings.names[0]} with another key. Run {PLAYBOOK}."
            )
        old = present(settings)
        if pair == settings.current and old and seconds(found, "notBefore") < seconds(old, "notBefore"):
            raise CertificateError(f"{settings.url} has an older certificate than this machine; it was not taken.")
        for file in (KEY, REQUEST, NAMES):
            # With its mode, which a group may need.
            shutil.copy(pair / file, made / file)
        switch(settings, made, f"{found['serialNumber']}.{time.time_ns()}")
        if pair == settings.next:
            shutil.rmtree(settings.next)
    return f"The certificate with serial {found['serialNumber']} was put in place, valid until {found['notAfter']}."


def switch(settings: Settings, made: Path, number: str) -> None:
    """Put a version in place of the one before, and remove that."""
    version = settings.folder / number
    made.rename(version)
    beside = made.with_name("link")
    beside.symlink_to(number)
    beside.replace(settings.current)
    for other in settings.folder.iterdir():
        if other.is_dir() and other not in (version, made.parent, settings.current, settings.next):
            shutil.rmtree(other)


def announce(settings: Settings) -> None:
    """Run the site's command for the version in place, until it has succeeded once."""
    mark = settings.current / ANNOUNCED
    if mark.exists() or not settings.command:
        return
    said = f"The certificate is in place, and the command {shlex.join(settings.command)}"
    user = pwd.getpwuid(os.getuid())
    # As after a login, also where root started this program by runuser.
    environment = {**os.environ, "HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    how: dict[str, Any] = {"env": environment, "cwd": settings.folder, "stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(settings.command, timeout=COMMAND_SECONDS, check=False, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CertificateError(f"{said} failed: {error}. It is tried again next time.") from error
    if done.returncode:
        raise CertificateError(f"{said} ended with status {done.returncode}. It is tried again next time.")
    mark.touch()


def see_life(settings: Settings) -> None:
    """Raise an error if the certificate in place should have been renewed long ago."""
    found = checked(settings, settings.current / CHAIN, settings.current / KEY)
    if not found:
        raise CertificateError(f"{settings.current} has a certificate for another key. Run {PLAYBOOK}.")
    begins, ends = seconds(found, "notBefore"), seconds(found, "notAfter")
    if ends - time.time() < LATE * (ends - begins):
        raise CertificateError(
            f"The certificate of {settings.names[0]} ends on {found['notAfter']}, and the proxy has none after it: "
            "`lightship doctor` says there why."
        )


def fetch(settings: Settings) -> list[str]:
    """Fetch, check, install and announce; what was done."""
    news = install(settings, offered(settings))
    announce(settings)
    see_life(settings)
    waits = settings.next.exists()
    return [news or f"{settings.names[0]} has the newest certificate.", *(["A new key waits for its own."] * waits)]


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--settings", default=SETTINGS, help="settings file (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="fetch a newer certificate")
    make = commands.add_parser("request", help="print the request, and make it and its key if there is none")
    make.add_argument("--new-key", action="store_true", help="make another key; the one before stays until then")
    options = parser.parse_args(argv)
    try:
        settings = read_settings(options.settings)
        os.umask(0o027 if settings.shared else 0o077)
        with alone(settings):
            if options.command == "fetch":
                print("\n".join(fetch(settings)))
                return 0
            pem, made = request(settings, new_key=options.new_key)
        print(pem, end="")
        if made:
            print("The request was made.", file=sys.stderr)
    except (CertificateError, OSError, subprocess.TimeoutExpired) as error:
        print(f"workstation-certificate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
