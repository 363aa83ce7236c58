"""The state of the web server's processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from testinfra.host import Host

from support.proxy_host import SERVER

# KiB that one process may grow by in a test, which sends it far more than that. Apache serves each request by a thread,
# and grows until each of them has had one.
MOST_GROWTH = {"nginx": 16 << 10, "apache": 160 << 10}[SERVER.name]
# Seconds within which it gives back what requests took that have ended.
PATIENCE = 20
# Whether the server keeps as many processes as it began with; Apache ends some of them when there is little to do.
KEEPS_ITS_PROCESSES = SERVER.name == "nginx"

PROCESSES = f"""for process in $(pgrep -x {SERVER.unit}); do
  echo "$process $(sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$process/status)"
done"""
CRASHES = "grep -rhE --include='*error*.log' 'exit(ed on)? signal' /var/log | wc -l"


@dataclass(frozen=True)
class Health:
    """The processes of a web server.

    Attributes:
        memory: KiB of each process's own memory, by its id.
        crashes: lines in the server's logs about processes that a signal ended.
    """

    memory: dict[str, int]
    crashes: int


def health(host: Host) -> Health:
    """Return the state of the host's web server."""
    lines = map(str.split, host.check_output(PROCESSES).splitlines())
    memory = {line[0]: int(line[1]) for line in lines if len(line) == len(("process", "memory"))}
    assert memory, f"{SERVER.unit} does not run"
    return Health(memory, int(host.check_output(CRASHES)))


@contextlib.contextmanager
def unharmed(host: Host, growth: int = MOST_GROWTH) -> Iterator[None]:
    """Fail after the block if a process of the web server crashed, vanished, or stays `growth` KiB larger."""
    before = health(host)
    yield
    until = time.monotonic() + PATIENCE
    while _grown(before, after := health(host)) > growth and time.monotonic() < until:
        time.sleep(1)
    assert after.crashes == before.crashes, "a process of the web server crashed; its error log says which"
    if KEEPS_ITS_PROCESSES:
        assert set(after.memory) == set(before.memory), "a process of the web server is gone"
    grown = _grown(before, after)
    assert grown <= growth, f"the web server's largest process grew by {grown} KiB"


def _grown(before: Health, after: Health) -> int:
    return max(after.memory.values()) - max(before.memory.values())
