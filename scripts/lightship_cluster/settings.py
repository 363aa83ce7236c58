"""The site's settings: one INI file beside the commands, read once and passed in."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.durations import minutes_of
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import NAMES as SCHEDULERS

DEFAULT_SOCKET = "/run/lightship-agent/agent.sock"
REGISTRY_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?/?", re.ASCII)
CLUSTER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

Values = dict[str, str]
SITE_KEYS = {
    "lightship": ("registry", "cluster", "ca_file", "agent_socket"),
    "defaults": ("partition", "account", "time", "batch", "folder"),
}
AGENT_KEYS = {"agent": ("registry", "cluster", "ca_file", "socket", "poll_seconds", "key_file", "scheduler")}


@dataclass(frozen=True)
class Defaults:
    """What `start-jupyter` uses for the flags that a user leaves out."""

    partition: str
    account: str
    minutes: int
    batch: str
    folder: str


@dataclass(frozen=True)
class SiteSettings:
    """What the commands know about their site."""

    path: Path
    registry: str
    cluster: str
    ca_file: Path | None
    agent_socket: Path
    defaults: Defaults

    @property
    def prefix(self) -> Path:
        """The folder that holds `bin`, `batch` and `etc`."""
        return self.path.parent.parent


@dataclass(frozen=True)
class AgentSettings:
    """What the agent knows about its site."""

    registry: str
    cluster: str
    ca_file: Path | None
    socket: Path
    poll_seconds: float
    key_file: Path
    # One of schedulers.NAMES; empty: the one whose commands the agent finds.
    scheduler: str = ""


def find_prefix(program: str) -> Path:
    """The folder above `bin`, whatever symbolic link the command was called by."""
    return Path(os.path.realpath(program)).parent.parent


def find_settings(program: str) -> Path:
    """The settings file: the one that LIGHTSHIP_CONFIG names, else the one installed with the command."""
    chosen = os.environ.get("LIGHTSHIP_CONFIG")
    return Path(chosen) if chosen else find_prefix(program) / "etc" / "lightship.ini"


def load_site(path: Path) -> SiteSettings:
    """Read `lightship.ini`; every mistake names the file and the key."""
    sections = _read(path, SITE_KEYS)
    site, defaults = sections["lightship"], sections["defaults"]
    registry, cluster, ca_file = _common(path, site)
    return SiteSettings(
        path=path.resolve(),
        registry=registry,
        cluster=cluster,
        ca_file=ca_file,
        agent_socket=Path(site.get("agent_socket") or DEFAULT_SOCKET),
        defaults=Defaults(
            partition=defaults.get("partition", ""),
            account=defaults.get("account", ""),
            minutes=_minutes(path, defaults.get("time") or "30"),
            batch=defaults.get("batch") or "slurm/notebook.sh",
            folder=defaults.get("folder") or "~",
        ),
    )


def load_agent(path: Path) -> AgentSettings:
    """Read `agent.ini`; every mistake names the file and the key."""
    agent = _read(path, AGENT_KEYS)["agent"]
    registry, cluster, ca_file = _common(path, agent)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "/etc/lightship")
    return AgentSettings(
        registry=registry,
        cluster=cluster,
        ca_file=ca_file,
        socket=Path(agent.get("socket") or DEFAULT_SOCKET),
        poll_seconds=_poll_seconds(path, agent.get("poll_seconds") or "5"),
        key_file=Path(agent.get("key_file") or Path(credentials, "cluster.key")),
        scheduler=_scheduler(path, agent.get("scheduler", "")),
    )


def _read(path: Path, known: Mapping[str, tuple[str, ...]]) -> dict[str, Values]:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string(path.read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise _wrong(path, " ".join(str(error).split())) from error
    sections = {name: dict(parser[name]) if parser.has_section(name) else {} for name in known}
    strays: list[str] = [name for name in parser.sections() if name not in known]
    strays += [key for name, values in sections.items() for key in values if key not in known[name]]
    if strays:
        raise _wrong(path, f"{strays[0]!r} is not a setting; remove it or correct its name")
    return sections


def _common(path: Path, values: Values) -> tuple[str, str, Path | None]:
    registry, cluster, ca_name = (values.get(key, "") for key in ("registry", "cluster", "ca_file"))
    if not REGISTRY_URL.fullmatch(registry):
        raise _wrong(path, f"registry must be like https://registry.notebooks.example.org, not {registry!r}")
    if not CLUSTER_NAME.fullmatch(cluster):
        raise _wrong(path, f"cluster must be a name of lower-case letters, digits and '-', not {cluster!r}")
    ca_file = path.resolve().parent / ca_name if ca_name else None
    if ca_file and not ca_file.is_file():
        raise _wrong(path, f"ca_file names {ca_file}, which is not there")
    return registry.rstrip("/"), cluster, ca_file


def _minutes(path: Path, text: str) -> int:
    try:
        return minutes_of(text)
    except ValueError as error:
        raise _wrong(path, f"time: {error}") from error


def _poll_seconds(path: Path, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise _wrong(path, f"poll_seconds must be a number from 1 to 3600, not {text!r}")
    return seconds


def _scheduler(path: Path, name: str) -> str:
    if name and name not in SCHEDULERS:
        raise _wrong(path, f"scheduler must be one of {', '.join(SCHEDULERS)}, or empty, not {name!r}")
    return name


def _wrong(path: Path, why: str) -> LightshipError:
    return LightshipError(f"The settings {path} are wrong: {why}. Ask your administrators.", ExitStatus.SETTINGS)
