"""The site's settings, read once and passed in, and the agent's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightship_cluster.config.centre import read_centre
from lightship_cluster.config.clusters import find_cluster
from lightship_cluster.config.ini import ASK, Form, read_ini, wrong
from lightship_cluster.config.layers import SECTIONS, Layer, Request, choose, find_preset, layer_of, read_user
from lightship_cluster.config.options import SCHEDULERS
from lightship_cluster.core.paths import is_file
from lightship_protocol import centre, forms
from lightship_protocol.centre import UNNAMED, Centre

if TYPE_CHECKING:
    from lightship_cluster.core.own_addresses import Network

DEFAULT_SOCKET = "/run/lightship-agent/agent.sock"
# Each part of a name as the DNS allows it: other names would fail only later, while connecting.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
REGISTRY_URL = re.compile(rf"https://{_LABEL}(?:\.{_LABEL})*(?::(?P<port>\d{{1,5}}))?/?", re.ASCII)
LAST_PORT = 65535

_SITES_OWN = ("registry", "cluster", "ca_file", "agent_socket", "notebook_networks", *centre.KEYS)
SITE = Form({"lightship": _SITES_OWN, **SECTIONS})
AGENT = Form(
    {"agent": ("registry", "cluster", "ca_file", "socket", "poll_seconds", "key_file", "scheduler", "qstat_socket")}
)


@dataclass(frozen=True)
class SiteSettings:
    """The settings of a site, as the commands use them."""

    path: Path
    registry: str
    cluster: str
    ca_file: Path | None
    agent_socket: Path
    # From the farthest to the nearest: the site's, the cluster's, the user's.
    layers: tuple[Layer, ...]
    warning: str = ""
    # Where notebooks listen on nodes with several networks; the first that a node has counts.
    notebook_networks: tuple[Network, ...] = ()
    centre: Centre = UNNAMED

    @property
    def prefix(self) -> Path:
        """The folder that holds `bin`, `batch` and `etc`."""
        return self.path.parent.parent

    def choose(self, given: Request, preset: str = "") -> Request:
        """The value of every key of the table of options for a start with these flags."""
        return choose(self.layers, given, preset)

    def said(self, key: str, given: Request, preset: str = "") -> bool:
        """Whether these flags or the preset set the key, rather than a default."""
        return key in given or bool(preset and key in find_preset(self.layers, preset))


@dataclass(frozen=True)
class AgentSettings:
    """The settings of the agent."""

    registry: str
    cluster: str
    ca_file: Path | None
    socket: Path
    poll_seconds: float
    key_file: Path
    # One of options.SCHEDULERS; if empty, the one whose commands the agent finds.
    scheduler: str = ""
    # The socket of the unit that runs PBS's qstat for the agent; None if the agent runs the commands itself.
    qstat_socket: Path | None = None


def find_prefix(program: str) -> Path:
    """The folder above `bin`; symbolic links to the command are resolved."""
    return Path(os.path.realpath(program)).parent.parent


def find_settings(program: str) -> Path:
    """The path of the settings file: LIGHTSHIP_CONFIG, else the file installed with the command."""
    chosen = os.environ.get("LIGHTSHIP_CONFIG")
    return Path(chosen) if chosen else find_prefix(program) / "etc" / "lightship.ini"


def load_site(path: Path, *, cluster: str = "", user: Path | None = None) -> SiteSettings:
    """Read `lightship.ini`, the cluster's file beside it, and the user's own; every error names the file and the key.

    Args:
        path: the site's file.
        cluster: the cluster's name, for a job: no pattern may match its node.
        user: the path of the user's own file.
    """
    sections = read_ini(path, SITE)
    site, source = sections["lightship"], path
    layers = [layer_of(path, sections)]
    found = find_cluster(path, cluster, site.get("cluster", ""))
    if found:
        # An empty key leaves the site's value.
        said = {key: text for key, text in found.sections["cluster"].items() if text}
        site, source = {**site, **said, "cluster": found.name}, found.path
        layers.append(layer_of(found.path, found.sections))
    own, warning = read_user(user)
    registry, name, ca_file = _common(source, path, site)
    return SiteSettings(
        path=path.resolve(),
        registry=registry,
        cluster=name,
        ca_file=ca_file,
        agent_socket=Path(site.get("agent_socket") or DEFAULT_SOCKET),
        layers=(*layers, own) if own else tuple(layers),
        warning=warning,
        notebook_networks=read_networks(source, site.get("notebook_networks", "")),
        centre=read_centre(path, site),
    )


def load_agent(path: Path) -> AgentSettings:
    """Read `agent.ini`; every error names the file and the key."""
    agent = read_ini(path, AGENT)["agent"]
    registry, cluster, ca_file = _common(path, path, agent)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "/etc/lightship")
    return AgentSettings(
        registry=registry,
        cluster=cluster,
        ca_file=ca_file,
        socket=Path(agent.get("socket") or DEFAULT_SOCKET),
        poll_seconds=_poll_seconds(path, agent.get("poll_seconds") or "5"),
        key_file=Path(agent.get("key_file") or Path(credentials, "cluster.key")),
        scheduler=_scheduler(path, agent.get("scheduler", "")),
        qstat_socket=Path(agent["qstat_socket"]) if agent.get("qstat_socket") else None,
    )


def check_registry(source: Path, registry: str, help_from: str = ASK) -> None:
    """Refuse what is not the address of a registry; `source` is the file that has it."""
    found = REGISTRY_URL.fullmatch(registry)
    if not found:
        raise wrong(
            source, f"registry must be like https://registry.notebooks.example.org, not {registry!r}.", help_from
        )
    if found["port"] and not 1 <= int(found["port"]) <= LAST_PORT:
        raise wrong(source, f"the port of registry must be from 1 to {LAST_PORT}, not {found['port']}.", help_from)


def check_ca_file(source: Path, ca_file: Path, help_from: str = ASK) -> None:
    """Refuse a file without a certificate; `source` is the settings file that names it."""
    # Imported late: few need it, and --help must answer at once.
    import ssl

    if not is_file(ca_file):
        raise wrong(source, f"ca_file names {ca_file}, which is not there.", help_from)
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise wrong(source, f"ca_file names {ca_file}, which has no certificate in PEM form.", help_from) from error
    except OSError as error:
        raise wrong(source, f"ca_file names {ca_file}, which cannot be read ({error.strerror}).", help_from) from error


def _common(source: Path, path: Path, values: Mapping[str, str]) -> tuple[str, str, Path | None]:
    registry, cluster, ca_name = (values.get(key, "") for key in ("registry", "cluster", "ca_file"))
    check_registry(source, registry)
    if not forms.CLUSTER.fullmatch(cluster):
        raise wrong(source, f"cluster must be a name of lower-case letters, digits and '-', not {cluster!r}.")
    # Relative to the site's file, where the role puts it, whichever file names it.
    ca_file = path.resolve().parent / ca_name if ca_name else None
    if ca_file:
        check_ca_file(source, ca_file)
    return registry.rstrip("/"), cluster, ca_file


def read_networks(source: Path, text: str, help_from: str = ASK) -> tuple[Network, ...]:
    """Read the networks; `source` is the file that has them."""
    if not text:
        return ()
    # Imported late: few sites have any, and --help must answer at once.
    from ipaddress import ip_network

    try:
        return tuple(ip_network(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise wrong(source, f"notebook_networks: {error}. Write networks like 10.1.0.0/16.", help_from) from error


def _poll_seconds(path: Path, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise wrong(path, f"poll_seconds must be a number from 1 to 3600, not {text!r}.")
    return seconds


def _scheduler(path: Path, name: str) -> str:
    if name and name not in SCHEDULERS:
        raise wrong(path, f"scheduler must be one of {', '.join(SCHEDULERS)}, or empty, not {name!r}.")
    return name
