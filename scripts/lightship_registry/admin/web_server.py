"""The web server of this host: which one it is, and how it is told to read its files again."""

from __future__ import annotations

import configparser
import shlex
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.admin import service_control
from lightship_registry.admin.checks import run
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings

# The role certificates writes it: the certificate's files, and the web server that uses them.
DEPLOYED = Path("/etc/letsencrypt/lightship/deployed.ini")


@dataclass(frozen=True)
class Certbot:
    """The program that renews the certificate, its file of settings, and the environment that it needs."""

    program: str
    settings: str
    # Such as where the authorities of the ACME server are, and the credentials of the name server's provider.
    environment: dict[str, str]


@dataclass(frozen=True)
class Deployed:
    """The web server, and the certificate that it uses."""

    service: str
    test: list[str]
    address: str
    port: int
    # None if the role certificates did not make it: then only the presented certificate is known.
    certificate: Path | None
    # None for a certificate that certbot does not renew, and after a deployment by an earlier version.
    certbot: Certbot | None = None
    # The host is its own authority, and renews the certificate itself.
    private: bool = False

    @property
    def given(self) -> bool:
        """Whether nothing renews the certificate: the institution gave it."""
        return not (self.certbot or self.private or self.certificate is None)


def deployed(settings: Settings) -> Deployed:
    """Read what the playbook wrote; defaults if there is none."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(DEPLOYED, "utf-8")
        part = parser["deployed"]
        lineage = Path(part["lineage"])
        return Deployed(
            f"{part['service']}.service",
            shlex.split(part["test"]),
            part["address"],
            int(part["port"]),
            lineage / "fullchain.pem",
            _certbot(part) if "certbot" in part else None,
            private="authority" in part,
        )
    except (OSError, configparser.Error, KeyError, ValueError):
        return Deployed("nginx.service", [], "127.0.0.1", settings.https_port, None)


def _certbot(part: configparser.SectionProxy) -> Certbot:
    words = (word.partition("=") for word in shlex.split(part.get("environment", "")))
    return Certbot(part["certbot"], part["config"], {name: value for name, _, value in words})


def refusal(known: Deployed) -> str:
    """What the web server says against its configuration; empty if it accepts it."""
    status, printed = run(known.test)
    if status == 0:
        return ""
    last = next((line for line in printed.splitlines() if "[emerg]" in line), " ".join(printed.split())[-200:])
    return last or "it cannot be run"


def reload(known: Deployed) -> bool:
    """Have the web server test its configuration and read its files again; false if no web server is known.

    One that does not run will read them when it starts.
    """
    if not known.test:
        return False
    if said := refusal(known):
        raise RegistryError(f"{known.service} would refuse its configuration: {said}. Try: {shlex.join(known.test)}.")
    if not service_control.done("try-reload-or-restart", known.service):
        raise RegistryError(f"{known.service} cannot be reloaded. See: journalctl -u {known.service}.")
    return True
