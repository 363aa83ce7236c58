#!/usr/bin/env -S python3 -B
"""Have the web server show the newest certificate, and see that it does.

certbot runs this after every renewal, and the service lightship-certificates once more after certbot, because certbot
itself ends well even when this fails. Without an argument it must find a running web server's certificate in order or
put it in order; it ends with 1 and a sentence for a person when it cannot. Nothing is touched while no web server runs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import certificate_failure
import certificate_files
import certificate_settings
from certificate_failure import FailureError, report
from certificate_files import leaf, serial

COMMAND_SECONDS = 60
CONNECT_SECONDS = 5
# Whose journal the site is told of, after a failure of either.
UNITS = ("--unit=lightship-certificates", "--unit=lightship-workstation-certificates")
AGAIN = "systemctl start lightship-certificates"
LAST_LINES = 20
# For a moment after a reload, old workers answer too: so many checks in a row must reach new ones.
SWITCH_SECONDS = 15
STEADY_LOOKS, LOOK_SECONDS = 5, 0.2


@dataclass(frozen=True)
class Settings:
    """Whose certificate it is, and which web server shows it."""

    domain: str
    lineage: Path
    service: str
    test: list[str]
    address: str
    port: int
    # Empty unless certbot gets the certificate; the folder of the private authority, empty unless that makes it.
    certbot: str
    authority: str
    certbot_settings: str
    # Commands of the site, for news of each kind; empty for none.
    success: list[str]
    failure: list[str]


def read_settings(path: str) -> Settings:
    """Return the settings that the Ansible role wrote."""
    section = certificate_settings.read(path)
    return Settings(
        domain=section["domain"],
        lineage=Path(section["lineage"]),
        service=section["service"],
        test=shlex.split(section["test"]),
        address=section["address"],
        port=int(section["port"]),
        certbot=section.get("certbot", ""),
        authority=section.get("authority", ""),
        certbot_settings=section.get("config", ""),
        success=shlex.split(section.get("success", "")),
        failure=shlex.split(section.get("failure", "")),
    )


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said, standard error included."""
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def served(settings: Settings) -> bytes | None:
    """Return the certificate that the web server shows for the domain, nothing if it shows none."""
    # Browsers decide whether to trust the certificate; here it only has to be exactly the right one.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((settings.address, settings.port), CONNECT_SECONDS)
        with connection, context.wrap_socket(connection, server_hostname=settings.domain) as secure:
            return secure.getpeercert(binary_form=True)
    except OSError:
        return None


def state_of(service: str) -> str:
    """Return what systemd says of the web server: active, inactive (also where there is none), failed and the like."""
    return run("systemctl", "show", "--value", "--property=ActiveState", service).stdout.strip()


def outside(*command: str, message: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command by the service manager: the service of the renewal has not the rights that it may need."""
    setting = f"--setenv=LIGHTSHIP_MESSAGE={message}"
    # Otherwise the service manager would put variables into the words, and a shell would run what the message says.
    words = [word.replace("$", "$$") for word in command]
    return run("systemd-run", "--quiet", "--wait", "--pipe", "--collect", setting, "--", *words)


def test(settings: Settings) -> str:
    """Return what the web server says against its configuration, nothing if all is well."""
    # It writes to the web server's own folders.
    done = outside(*settings.test)
    return "" if done.returncode == 0 else done.stdout.strip() or f"it ended with status {done.returncode}"


def tell(command: list[str], message: str) -> None:
    """Run a command of the site with a message; a failure is reported and changes nothing."""
    if not command:
        return
    try:
        done = outside(*command, message=message)
        failure = "" if done.returncode == 0 else done.stdout.strip() or f"it ended with status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = f"{error}"
    if failure:
        print(f"certificates-deployed: The command {shlex.join(command)} failed: {failure}", file=sys.stderr)


def tell_failure(settings: Settings) -> None:
    """Tell the site what the journal says of the renewal or check that failed."""
    words = ("--quiet", "--no-pager", "--output=cat", *UNITS, f"--lines={LAST_LINES}")
    tell(settings.failure, run("journalctl", *words).stdout)


def another(settings: Settings) -> str:
    """Return how to get another certificate."""
    if settings.certbot:
        command = f"{settings.certbot} renew --config {settings.certbot_settings}"
        return f"Have another one issued: `{command} --force-renewal --cert-name {settings.domain}`."
    if settings.authority:
        return "Make another one: `/usr/local/lib/lightship/certificates-private --renew`."
    return "Put another one into certificates_given_chain and certificates_given_key, and run site.yml."


def go_back(settings: Settings) -> tuple[int, int] | None:
    """Put the newest earlier version in place that the web server takes; the numbers of the new and the old one.

    So the web server can be restarted at any time.
    """
    lineage, new = settings.lineage, certificate_files.version(settings.lineage / "cert.pem")
    for number in reversed(certificate_files.numbers(lineage)):
        files = certificate_files.of_version(lineage, number)
        if number < new and not certificate_files.fault(files, needs_chain=False):
            certificate_files.point_to(lineage, number)
            if not test(settings):
                return new, number
            certificate_files.point_to(lineage, new)
            break
    return None


def refused(settings: Settings, complaint: str) -> FailureError:
    """Go back to the certificate before, if the web server refuses the new one, and return what to tell.

    certbot goes forward again at its next run, finds nothing due, and asks for no further certificate; this program
    then goes back again, and the service fails until somebody looks.
    """
    said = f"{settings.service} said:\n{complaint}"
    if gone := go_back(settings):
        return FailureError(
            "certificate-refused",
            f"{settings.service} refuses certificate {gone[0]} of {settings.domain}, so number {gone[1]} is in place "
            "again and still shown.",
            another(settings),
            said,
        )
    return FailureError(
        "web-server-config",
        f"The configuration of {settings.service} is broken, so the new certificate of {settings.domain} is not shown; "
        f"the old one still is, until it expires or {settings.service} restarts.",
        f"Mend the configuration until `{shlex.join(settings.test)}` is content, then run `{AGAIN}`.",
        said,
    )


def examine(settings: Settings) -> None:
    """See that the files in place belong together; else go back to the version before, which the next run may renew."""
    fault = certificate_files.fault(certificate_files.in_place(settings.lineage), needs_chain=bool(settings.certbot))
    if not fault:
        return
    reason, clause = fault
    if gone := go_back(settings):
        raise FailureError(
            reason,
            f"Certificate {gone[0]} of {settings.domain} cannot be used, for {clause}, so number {gone[1]} is in place "
            "again.",
            f"Run `{AGAIN}`: it gets another one if that is due." if settings.certbot else another(settings),
        )
    raise FailureError(
        reason,
        f"The certificate of {settings.domain} cannot be used, for {clause}; {settings.service} shows what it read "
        "before, and will not start again.",
        f"Restore {certificate_files.archive(settings.lineage)} from the backup. Or: {another(settings)}",
    )


def activate(settings: Settings, expected: bytes) -> None:
    """Test the web server, reload it, and wait until it shows the expected certificate."""
    complaint = test(settings)
    if complaint:
        raise refused(settings, complaint)
    done = run("systemctl", "reload", settings.service)
    if done.returncode:
        raise FailureError(
            "reload-failed",
            f"{settings.service} cannot be reloaded, so it still shows the old certificate.",
            f"See `journalctl -u {settings.service}`, then run `{AGAIN}`.",
            done.stdout,
        )
    deadline = time.monotonic() + SWITCH_SECONDS
    seen = 0
    while seen < STEADY_LOOKS:
        shown = served(settings)
        seen = seen + 1 if shown == expected else 0
        if not seen and time.monotonic() > deadline:
            raise FailureError(
                "not-shown",
                f"{settings.service} was reloaded and {settings.address}:{settings.port} still shows "
                f"{describe(shown)} for {settings.domain}, not {describe(expected)}.",
                f"See that its configuration names {settings.lineage}/fullchain.pem, then run `{AGAIN}`.",
            )
        time.sleep(LOOK_SECONDS)


def describe(certificate: bytes | None) -> str:
    """Return a certificate in words."""
    return f"the certificate with serial {serial(certificate)}" if certificate else "no certificate"


def is_used(settings: Settings) -> bool:
    """Tell whether the web server shows any certificate of the lineage, new or old."""
    archive = certificate_files.archive(settings.lineage)
    return served(settings) in [leaf(path) for path in archive.glob("cert[0-9]*.pem")]


def deploy(settings: Settings, *, allow_unused: bool) -> str:
    """Do what there is to do, and return it in words."""
    state = state_of(settings.service)
    if state == "failed" and not allow_unused:
        raise FailureError(
            "web-server-failed",
            f"{settings.service} has failed, so nobody sees any certificate.",
            f"See `journalctl -u {settings.service}`, mend and start it; it will read the new certificate by itself.",
        )
    if state in ("inactive", "failed"):
        return f"{settings.service} does not run; it will read the certificate when it starts."
    examine(settings)
    expected = leaf(settings.lineage / "fullchain.pem")
    if served(settings) == expected:
        return f"{settings.service} shows {describe(expected)} already."
    if allow_unused and not is_used(settings):
        return f"{settings.service} does not use the certificate of {settings.domain} yet."
    activate(settings, expected)
    news = f"{settings.service} was reloaded and shows {describe(expected)}."
    tell(settings.success, f"{settings.domain}: {news}")
    return news


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("--allow-unused", action="store_true", help="content if the web server has no use for it yet")
    parser.add_argument("--tell-failure", action="store_true", help="only tell the site that the last renewal failed")
    options = parser.parse_args(argv)
    try:
        settings = read_settings(options.settings)
        if options.tell_failure:
            tell_failure(settings)
            return 0
        if Path(os.environ.get("RENEWED_LINEAGE", settings.lineage)) != settings.lineage:
            return 0
        certificate_failure.forget()
        print(deploy(settings, allow_unused=options.allow_unused))
    except (FailureError, OSError, subprocess.TimeoutExpired) as error:
        return report("certificates-deployed", error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
