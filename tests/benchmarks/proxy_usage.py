"""What the registry's process and nginx's workers hold on the bed's proxy: memory, descriptors, CPU time."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass

from support import bed

SAMPLE_SECONDS = 4.0
# RSS in pages and CPU in ticks, from /proc; a process that has just gone counts nothing.
PROGRAM = """
import json, os, subprocess
def text(*command): return subprocess.run(command, capture_output=True, text=True).stdout.split()
def of(pids):
    held = [0, 0, 0.0]
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rpartition(") ")[2].split()
            found = (int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(f"/proc/{pid}/fd")),
                     (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        except FileNotFoundError:
            continue
        held = [have + more for have, more in zip(held, found)]
    return dict(zip(("mib", "files", "cpu"), held))
print(json.dumps([of(text("systemctl", "show", "-P", "MainPID", "lightship-registry")),
                  of(text("pgrep", "-P", open("/run/nginx.pid").read().strip()))]))
"""


@dataclass(frozen=True)
class Held:
    """Resident memory, open descriptors and CPU seconds used so far: of one process, or the sum of some."""

    mib: float
    files: int
    cpu: float

    def most(self, other: Held) -> Held:
        """Return the higher of each."""
        return Held(max(self.mib, other.mib), max(self.files, other.files), max(self.cpu, other.cpu))


@dataclass(frozen=True)
class Usage:
    """What both parts of the service hold."""

    registry: Held
    nginx: Held

    def most(self, other: Usage) -> Usage:
        """Return the higher of each."""
        return Usage(self.registry.most(other.registry), self.nginx.most(other.nginx))

    def as_json(self) -> dict[str, object]:
        """Return it as a file keeps it."""
        return asdict(self)


def usage() -> Usage:
    """Look now."""
    registry, nginx = json.loads(bed.python("proxy", PROGRAM))
    return Usage(Held(**registry), Held(**nginx))


class Peak:
    """Looks every few seconds while it is open, and keeps the highest of each."""

    def __init__(self) -> None:
        self.usage = usage()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.usage = self.usage.most(usage())
