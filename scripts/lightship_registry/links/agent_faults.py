"""What agents report about failures to ask their scheduler; kept for the command `lightship doctor`."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.core.clock import Clock
from lightship_registry.core.files import write_beside
from lightship_registry.core.settings import Settings

FILE = "agent_faults.json"
# An agent repeats its report every 20 seconds, or every five minutes after errors of the registry.
FORGET_SECONDS = 600.0
KEEP_SECONDS = 60.0
# Per cluster: whoever has its key could otherwise name any number of hosts.
MOST_HOSTS = 50


@dataclass(frozen=True)
class Fault:
    """One agent's report."""

    when: float
    sentence: str


# By login node.
Hosts = Mapping[str, Fault]


class AgentFaults:
    """Keeps the current reports, in memory and in a file that outlives a restart of the service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._path = path_of(settings)
        self._clock = clock
        self._lock = threading.Lock()
        self._known = {cluster: dict(hosts) for cluster, hosts in load(self._path).items()}
        self._kept_at = 0.0

    def tell(self, cluster: str, host: str, sentence: str) -> None:
        """Note an agent's report; an empty sentence means that all is well."""
        if not host:
            return
        with self._lock:
            hosts = self._known.setdefault(cluster, {})
            before = hosts.pop(host, None)
            if sentence and len(hosts) < MOST_HOSTS:
                hosts[host] = Fault(self._clock(), sentence)
            self._keep(changed=sentence != (before.sentence if before else ""))

    def _keep(self, *, changed: bool) -> None:
        now = self._clock()
        # The absolute difference: a clock that was set back must not stop this.
        due = any(self._known.values()) and abs(now - self._kept_at) >= KEEP_SECONDS
        if not changed and not due:
            return
        self._kept_at = now
        self._known = {cluster: dict(current(hosts, now)) for cluster, hosts in self._known.items()}
        # Other parts report a full disk.
        with contextlib.suppress(OSError):
            write_beside(self._path, _text(self._known).encode("ascii"), 0o640)


def path_of(settings: Settings) -> Path:
    """The path of the file."""
    return settings.folders.state_dir / FILE


def load(path: Path) -> dict[str, Hosts]:
    """Read the file. A missing or damaged one counts as empty: the agents repeat their reports."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return {
            str(cluster): {str(host): Fault(float(when), str(sentence)) for host, (when, sentence) in hosts.items()}
            for cluster, hosts in data.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def current(hosts: Hosts, now: float) -> Hosts:
    """The reports that are not too old."""
    return {host: fault for host, fault in hosts.items() if abs(now - fault.when) < FORGET_SECONDS}


def _text(known: Mapping[str, Hosts]) -> str:
    return json.dumps(
        {
            cluster: {host: [fault.when, fault.sentence] for host, fault in hosts.items()}
            for cluster, hosts in known.items()
        }
    )
