"""The service's settings: read once, checked completely, then passed in."""

from __future__ import annotations

import ipaddress
import itertools
import re
import tomllib
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lightship_protocol import forms
from lightship_registry.core import centre
from lightship_registry.core.centre import UNNAMED, Centre
from lightship_registry.core.errors import bad_settings
from lightship_registry.core.tunnel_settings import ListenAddresses, read_destination, read_tunnels

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

POSTGRESQL = "postgresql+psycopg"
DOMAIN = re.compile(r"(?=.{1,200}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")

# Whole-number settings: default, lowest and highest value.
NUMBERS = {
    "https_port": (443, 1, 65535),
    "lease_seconds": (90, 2, 86400),
    "heartbeat_seconds": (30, 1, 3600),
    "waiting_hours": (168, 1, 8760),
    "max_hours": (72, 1, 8760),
    "target_rest_seconds": (75, 0, 86400),
    "user_quota": (10, 1, 1_000_000),
    "user_creations_per_hour": (60, 1, 1_000_000),
    "metrics_port": (0, 0, 65535),
    "satellite_quota": (1000, 1, 1_000_000),
    "satellite_creations_per_hour": (1000, 1, 1_000_000),
}
FOLDERS = {
    "state_dir": "/var/lib/lightship",
    "routes_dir": "/run/lightship/routes",
    "clusters_dir": "/etc/lightship/clusters",
    "cut_dir": "/run/lightship/cut",
    "tunnels_dir": "/run/lightship/tunnels",
}
OTHERS = {"domain", "clusters", "message", "store_url", "audit_file", "tunnels", "tunnel_destination", *centre.KEYS}
AUDIT_FILE = "/var/log/lightship/audit.jsonl"
LONGEST_MESSAGE = 500
# The service may not bind lower ports.
LOWEST_PORT = 1024


@dataclass(frozen=True)
class Folders:
    """The folders on the proxy host."""

    state_dir: Path
    routes_dir: Path
    clusters_dir: Path
    cut_dir: Path
    tunnels_dir: Path


@dataclass(frozen=True)
class Settings:
    """Everything a site decides about its registry."""

    domain: str
    clusters: dict[str, tuple[Network, ...]]
    folders: Folders
    https_port: int
    lease_seconds: int
    heartbeat_seconds: int
    waiting_hours: int
    max_hours: int
    target_rest_seconds: int
    user_quota: int
    user_creations_per_hour: int
    # On 127.0.0.1; 0 disables metrics.
    metrics_port: int
    # Per address of Satellite's clients: all users of a login node together, because Satellite knows no users.
    satellite_quota: int
    satellite_creations_per_hour: int
    _: KW_ONLY
    # Not in the repr: it may hold a password.
    store_url: str = field(repr=False)
    # The centre's message for users who wait.
    message: str
    # The centre, for every page.
    centre: Centre = UNNAMED
    # None: events go only to the journal.
    audit_file: Path | None
    # Not in the file: only unit tests have notebooks on the machine itself.
    allow_local_targets: bool
    # The networks of each cluster's Satellite clients; a missing cluster has none.
    satellite_networks: dict[str, tuple[Network, ...]] = field(default_factory=dict)
    # Where each user's tunnels may listen, and the account that ssh logs in to.
    tunnels: ListenAddresses = field(default_factory=dict)
    tunnel_destination: str = ""

    @property
    def store(self) -> URL:
        """The URL of the database: PostgreSQL if the site set one, otherwise the file."""
        return make_url(self.store_url) if self.store_url else URL.create("sqlite", database=str(self.store_file))

    @property
    def store_file(self) -> Path:
        """The path of the SQLite file."""
        return self.folders.state_dir / "registry.sqlite3"

    @property
    def registry_host(self) -> str:
        """The host name of the API."""
        return f"registry.{self.domain}"

    @property
    def manage_host(self) -> str:
        """The host name of the Satellite interface. No link has it, because a link's name is three words."""
        return f"manage.{self.domain}"

    def host(self, name: str) -> str:
        """The host name of a link."""
        return f"{name}.{self.domain}"

    def origin(self, name: str) -> str:
        """The origin of a link's address in a browser."""
        port = "" if self.https_port == 443 else f":{self.https_port}"
        return f"https://{self.host(name)}{port}"


def load(path: Path) -> Settings:
    """Read the file; each error names the key and the remedy."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_settings(f"Cannot read the settings {path}: {error}.") from error
    try:
        return parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise bad_settings(f"{path} is not valid TOML: {error}.") from error


def parse(data: dict[str, Any]) -> Settings:
    """Check the whole content and build the settings."""
    unknown = sorted(set(data) - {*OTHERS, *NUMBERS, *FOLDERS})
    if unknown:
        raise bad_settings(f"Unknown setting {unknown[0]!r}. Remove it or correct its name.")
    numbers = {key: _number(key, data.get(key, rule[0])) for key, rule in NUMBERS.items()}
    folders = {key: _folder(key, data.get(key, default)) for key, default in FOLDERS.items()}
    settings = Settings(
        _domain(data.get("domain")),
        _clusters(data.get("clusters")),
        Folders(**folders),
        **numbers,
        store_url=_store_url(data.get("store_url", "")),
        message=_message(data.get("message", "")),
        centre=centre.read_centre(data),
        audit_file=_audit_file(data.get("audit_file", AUDIT_FILE)),
        allow_local_targets=False,
        satellite_networks=_satellite_networks(data["clusters"]),
        tunnels=read_tunnels(data.get("tunnels", []), data["clusters"]),
        tunnel_destination=read_destination(data.get("tunnel_destination", "")),
    )
    if settings.heartbeat_seconds >= settings.lease_seconds:
        raise bad_settings("heartbeat_seconds must be shorter than lease_seconds, or every lease runs out.")
    if 0 < settings.metrics_port < LOWEST_PORT:
        raise bad_settings(f"metrics_port must be 0 or at least {LOWEST_PORT}, not {settings.metrics_port}.")
    return settings


def _domain(value: object) -> str:
    if not isinstance(value, str) or not DOMAIN.fullmatch(value):
        raise bad_settings(f"domain must be a lower-case DNS name such as notebooks.example.org, not {value!r}.")
    return value


def _number(key: str, value: object) -> int:
    _, low, high = NUMBERS[key]
    if type(value) is not int or not low <= value <= high:
        raise bad_settings(f"{key} must be a whole number from {low} to {high}, not {value!r}.")
    return value


def _message(value: object) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None or len(text) > LONGEST_MESSAGE or not text.replace("\n", "").isprintable():
        raise bad_settings(f"message must be plain text of at most {LONGEST_MESSAGE} characters.")
    return text


def _folder(key: str, value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise bad_settings(f"{key} must be an absolute path, not {value!r}.")
    return Path(value)


def _audit_file(value: object) -> Path | None:
    if value == "":
        return None
    if not isinstance(value, str) or not value.startswith("/") or value.endswith("/"):
        raise bad_settings(f'audit_file must be "" or the absolute path of a file, not {value!r}.')
    return Path(value)


def _store_url(value: object) -> str:
    # No message shows the value, and no exception is chained that might: it may hold a password.
    if value == "":
        return ""
    try:
        url = make_url(value) if isinstance(value, str) else None
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername != POSTGRESQL or not url.database:
        raise bad_settings(
            f'store_url must be "" for a file in state_dir, or {POSTGRESQL}://USER:PASSWORD@HOST/DATABASE, with every '
            "character of the password that is neither letter nor digit written as % and two hexadecimal digits."
        )
    if any("password" in key for key in url.query):
        raise bad_settings("store_url must have its password before the host, USER:PASSWORD@HOST, not after the ?.")
    return str(value)


def _clusters(value: object) -> dict[str, tuple[Network, ...]]:
    if not isinstance(value, dict) or not value:
        raise bad_settings("No cluster is set. Add a table [clusters.NAME] with its networks.")
    return {_cluster_name(name): _networks_of(name, table) for name, table in value.items()}


def _cluster_name(name: str) -> str:
    if not forms.CLUSTER.fullmatch(name):
        raise bad_settings(f"The cluster's name {name!r} must be a-z, 0-9 and -, starting with a letter.")
    return name


def _networks_of(name: str, table: object) -> tuple[Network, ...]:
    if not isinstance(table, dict) or not {"networks"} <= set(table) <= {"networks", "satellite_networks"}:
        raise bad_settings(f"[clusters.{name}] must have the key networks, may have satellite_networks, and no other.")
    networks = _networks(f"clusters.{name}.networks", table["networks"])
    if not networks:
        raise bad_settings(f'clusters.{name}.networks must name at least one network, such as ["10.1.0.0/16"].')
    return networks


def _satellite_networks(tables: dict[str, dict[str, object]]) -> dict[str, tuple[Network, ...]]:
    read = {
        name: _networks(f"clusters.{name}.satellite_networks", table.get("satellite_networks", []))
        for name, table in tables.items()
    }
    found = {name: networks for name, networks in read.items() if networks}
    for one, other in itertools.combinations(found, 2):
        # Otherwise an address would not tell which cluster asks.
        if any(a.version == b.version and a.overlaps(b) for a in found[one] for b in found[other]):
            raise bad_settings(f"satellite_networks of the clusters {one} and {other} overlap. Each address is of one.")
    return found


def _networks(where: str, values: object) -> tuple[Network, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad_settings(f'{where} must be a list such as ["10.1.0.0/16"].')
    try:
        return tuple(ipaddress.ip_network(value) for value in values)
    except ValueError as error:
        raise bad_settings(f"{where}: {error}. Write networks like 10.1.0.0/16.") from error
