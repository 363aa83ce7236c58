"""Why agents cannot ask their scheduler how jobs are, as each of them says; kept for the command `lightship doctor`."""

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
# An agent says it again every 20 seconds, after trouble with the registry every five minutes.
FORGET_SECONDS = 600.0
KEEP_SECONDS = 60.0
# Of one cluster: whoever holds its key could otherwise name hosts without end.
MOST_HOSTS = 50


@dataclass(frozen=True)
class Fault:
    """What an agent said."""

    when: float
    sentence: str


# By the name of the login node.
Hosts = Mapping[str, Fault]


class AgentFaults:
    """Remembers what is wrong now, beyond a restart of the service."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._path = path_of(settings)
        self._clock = clock
        self._lock = threading.Lock()
        self._known = {cluster: dict(hosts) for cluster, hosts in load(self._path).items()}
        self._kept_at = 0.0

    def tell(self, cluster: str, host: str, sentence: str) -> None:
        """An agent's word about itself; nothing for all well."""
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
        # Either way: a clock that was set back must not stop it.
        due = any(self._known.values()) and abs(now - self._kept_at) >= KEEP_SECONDS
        if not changed and not due:
            return
        self._kept_at = now
        self._known = {cluster: dict(current(hosts, now)) for cluster, hosts in self._known.items()}
        # Where the disk is full, others say so.
        with contextlib.suppress(OSError):
            write_beside(self._path, _text(self._known).encode("ascii"), 0o640)


def path_of(settings: Settings) -> Path:
    """Where they are kept."""
    return settings.folders.state_dir / FILE


def load(path: Path) -> dict[str, Hosts]:
    """What was kept; nothing of a file that is missing or damaged, for agents say it again."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return {
            str(cluster): {str(host): Fault(float(when), str(sentence)) for host, (when, sentence) in hosts.items()}
            for cluster, hosts in data.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def current(hosts: Hosts, now: float) -> Hosts:
    """Those that were said lately."""
    return {host: fault for host, fault in hosts.items() if abs(now - fault.when) < FORGET_SECONDS}


def _text(known: Mapping[str, Hosts]) -> str:
    return json.dumps(
        {
            cluster: {host: [fault.when, fault.sentence] for host, fault in hosts.items()}
            for cluster, hosts in known.items()
        }
    )
