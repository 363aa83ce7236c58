"""What a measured server must offer. A new one is a module here and a line in `every.py`."""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from peers import processes
from peers.certificates import Certificates
from peers.links import Link

START_SECONDS = 120.0
STOP_SECONDS = 10.0


class BenchmarkError(Exception):
    """A server did not start, or did not do what the benchmark needs; the message says which and why."""


class Server(abc.ABC):
    """A proxy with TLS on both hops, on a port of this machine's loopback.

    Attributes:
        name: as in the tables and in SERVERS.
        settings: which of its documented settings were chosen, and why; printed in the README.
        most_links: the most links it is measured with, and in `limit` the reason.
        routes: false for a reference with one target for every name.
        per_second: links a second that may come and go, as far as one can ask it for.
    """

    name: str
    settings: str
    most_links: int = 10**9
    limit: str = ""
    routes: bool = True

    def __init__(self, folder: Path, port: int, certificates: Certificates) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o755)
        self.port = port
        self.certificates = certificates
        self.process: subprocess.Popen[bytes] | None = None
        # From the program's start until it knows its links; its files were written before.
        self.start_seconds = 0.0

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""

    @abc.abstractmethod
    def configure(self, links: Sequence[Link]) -> None:
        """Write its files for a start with these links."""

    @abc.abstractmethod
    def publish(self, link: Link) -> None:
        """Make a link known to the running server; return when its interface has taken it."""

    @abc.abstractmethod
    def remove(self, link: Link) -> None:
        """Take a link away from the running server."""

    @abc.abstractmethod
    def version(self) -> str:
        """Return program and version."""

    def started(self, links: Sequence[Link]) -> None:  # noqa: B027 - most servers know their links from their files
        """Finish the start: for servers that learn their links by an interface."""

    def start(self, links: Sequence[Link]) -> None:
        """Configure it, run it, and wait until its port answers.

        Raises:
            BenchmarkError: it ended, or did not listen in time.
        """
        self.configure(links)
        begin = time.monotonic()
        log = (self.folder / "output.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        end = begin + START_SECONDS
        while not _listens(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                tail = (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")[-1500:]
                raise BenchmarkError(
                    f"{self.name} did not start within {START_SECONDS:.0f} s. Its output ends:\n{tail}"
                )
            time.sleep(0.02)
        self.started(links)
        self.start_seconds = time.monotonic() - begin

    def stop(self) -> None:
        """End it and wait."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def check(self) -> None:
        """Look whether it still runs.

        Raises:
            BenchmarkError: it has ended by itself.
        """
        if self.process is None or self.process.poll() is None:
            return
        said = (self.folder / "output.log").read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line for line in said if line.startswith(("panic", "fatal"))), said[-1] if said else "")
        raise BenchmarkError(f"it ended by itself; its output has: {last[:200]}")

    def pids(self) -> list[int]:
        """Return the processes at the top of its tree."""
        return [self.process.pid] if self.process else []

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have used so far."""
        return processes.cpu_seconds(self.pids())

    def memory_bytes(self) -> int:
        """Return the memory of its processes."""
        return processes.memory_bytes(self.pids())


def said(*command: str) -> str:
    """Return what a program prints about its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def _listens(port: int) -> bool:
    """Return whether something of this machine listens on a TCP port, without a connection to it."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(fields[1].endswith(wanted) and fields[3] == "0A" for fields in map(str.split, lines))
