"""What this machine's programs share: settings, and the key and request for its certificate."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SETTINGS = "/etc/lightship/workstation.ini"
PLAYBOOK = "ansible-playbook workstations.yml"
CURRENT, NEXT = "current", "next"
KEY, REQUEST, NAMES, CHAIN, ANNOUNCED = "key.pem", "request.pem", "names", "fullchain.pem", "announced"
SECONDS = 60
REQUEST_SETTINGS = "[req]\ndistinguished_name = dn\nreq_extensions = ext\n[dn]\n[ext]\nsubjectAltName = {names}\n"


class CertificateError(Exception):
    """What happened, and what to do next."""


@dataclass(frozen=True)
class Settings:
    """What the Ansible role wrote."""

    names: list[str]
    url: str
    # A file with the authority that is trusted; empty for those that this machine trusts anyway.
    authority: str
    folder: Path
    # Whether a group reads the key, too.
    shared: bool
    command: list[str]

    @property
    def current(self) -> Path:
        """The version in place."""
        return self.folder / CURRENT

    @property
    def next(self) -> Path:
        """A key and a request that wait for their certificate."""
        return self.folder / NEXT

    def trust(self) -> ssl.SSLContext:
        """Return a client's context."""
        return ssl.create_default_context(cafile=self.authority or None)


def read_settings(path: str) -> Settings:
    """Return the settings; an error that says what to do if there are none."""
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(path, encoding="utf-8"):
        raise CertificateError(f"{path} cannot be read. Run {PLAYBOOK} for this machine.")
    section = parser["workstation"]
    return Settings(
        names=section["names"].split(),
        url=section["url"],
        authority=section.get("authority", ""),
        folder=Path(section["folder"]),
        shared=section.getboolean("shared", False),
        command=shlex.split(section.get("command", "")),
    )


def openssl(*arguments: str | Path) -> None:
    """Run openssl, without the settings of this machine or user."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "OPENSSL_CONF": os.devnull}
    done = subprocess.run(
        ["openssl", *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise CertificateError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def names_of(pair: Path) -> list[str]:
    """Return for which names a key's request is, none if it is not whole."""
    try:
        return (pair / NAMES).read_text("ascii").split()
    except OSError:
        return []


def request(settings: Settings, *, new_key: bool) -> tuple[str, bool]:
    """Return the request that counts, and whether it was made now."""
    pair = settings.next if settings.next.exists() else settings.current
    if names_of(pair) == settings.names and not new_key:
        return (pair / REQUEST).read_text("ascii"), False
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        made = Path(name, "pair")
        made.mkdir()
        kept = pair / KEY
        if new_key or not kept.exists():
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", made / KEY)
        else:
            shutil.copyfile(kept, made / KEY)
        config = Path(name, "config")
        listed = ",".join(f"DNS:{each}" for each in settings.names)
        config.write_text(REQUEST_SETTINGS.format(names=listed), "ascii")
        openssl("req", "-new", "-config", config, "-subj", "/", "-key", made / KEY, "-out", made / REQUEST)
        (made / NAMES).write_text(" ".join(settings.names), "ascii")
        # openssl makes keys that only the owner reads.
        (made / KEY).chmod(0o640 if settings.shared else 0o600)
        shutil.rmtree(settings.next, ignore_errors=True)
        made.rename(settings.next)
    return (settings.next / REQUEST).read_text("ascii"), True
