"""Run the comparison and write its raw results. `make bench-peers` calls it; see tests/benchmarks/README.md."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from peers import certificates, client, links, settings
from peers.backend import Backend
from peers.measures import activation, churn, first_requests, requests, transfers, websockets
from peers.measures.base import Figures, Subject
from peers.servers.base import BenchmarkError, Server
from peers.servers.every import EVERY

MEASURES: tuple[tuple[str, Callable[[Subject], Figures]], ...] = (
    (websockets.NAME, websockets.measure),
    (requests.NAME, requests.measure),
    (first_requests.NAME, first_requests.measure),
    (transfers.NAME, transfers.measure),
    (activation.NAME, activation.measure),
    (churn.NAME, churn.measure),
)
FIRST_PORT = 18_500
IMPOSTOR_SECONDS = 1.0
# What a server or a client may answer with: the run goes on, and the results say why there is no figure.
PROBLEMS = (BenchmarkError, OSError, EOFError, subprocess.TimeoutExpired, httpx.HTTPError)


def _start(server: Server, known: Sequence[links.Link], made: certificates.Certificates, results: Results) -> bool:
    """Start a server and check it; return whether it can be measured, or else write down why not."""
    try:
        server.start(known)
        if _passes_to_an_impostor(server, made):
            raise BenchmarkError("left out: it sent a request to a notebook with a certificate for another name")
    except PROBLEMS as problem:
        results.note(server.name, str(problem) or type(problem).__name__)
        return False
    results.versions[server.name] = server.version()
    results.settings[server.name] = server.settings
    results.add(server.name, {"start_seconds": server.start_seconds})
    print(f"  {server.name:28} started in {server.start_seconds:.1f} s", flush=True)
    return True


def _started(chosen: settings.Settings, made: certificates.Certificates, count: int, results: Results) -> list[Server]:
    """Start every server that can serve so many links; what cannot start is written down and left out."""
    known = [links.Link(number) for number in range(count)]
    running: list[Server] = []
    folder = chosen.folder / str(count)
    folder.mkdir(mode=0o755)
    for place, kind in enumerate(EVERY):
        if chosen.servers and kind.name not in chosen.servers:
            continue
        if count > kind.most_links:
            results.note(kind.name, kind.limit)
            continue
        server = kind(folder, FIRST_PORT + 10 * place, made)
        if _start(server, known, made, results):
            running.append(server)
        else:
            server.stop()
    return running


def _passes_to_an_impostor(server: Server, made: certificates.Certificates) -> bool:
    """Return whether a server uses a notebook whose certificate has another name than the link."""
    server.publish(links.IMPOSTOR)
    # Some take a published link later; until then they answer that there is none.
    time.sleep(IMPOSTOR_SECONDS if server.routes else 0)
    answer = asyncio.run(client.status(links.IMPOSTOR, server.port, client.context(made.authority)))
    server.remove(links.IMPOSTOR)
    return answer == httpx.codes.OK


class Results:
    """Raw figures for one number of links: for each server and figure a list with a value for each round."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.versions: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.notes: dict[str, list[str]] = {}
        self.figures: dict[str, dict[str, list[float]]] = {}

    def add(self, server: str, figures: Figures) -> None:
        """Keep one round's figures."""
        kept = self.figures.setdefault(server, {})
        for name, value in figures.items():
            if not math.isfinite(value):
                continue
            kept.setdefault(name, []).append(round(value, 4))

    def note(self, server: str, why: str) -> None:
        """Write down why there is no figure."""
        print(f"  {server}: {why}", flush=True)
        if why not in self.notes.setdefault(server, []):
            self.notes[server].append(why)

    def write(self, chosen: settings.Settings) -> Path:
        """Write them beside the README and return the file."""
        chosen.output.mkdir(parents=True, exist_ok=True)
        path = chosen.output / f"peers-{self.count}.json"
        document = {
            "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "machine": {
                "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
                "processors": os.cpu_count(),
                "load_at_the_end": os.getloadavg()[1],
            },
            "links": self.count,
            "rounds": chosen.rounds,
            "seconds": chosen.seconds,
            "connections": chosen.connections,
            "versions": self.versions,
            "settings": self.settings,
            "notes": self.notes,
            "figures": self.figures,
        }
        # A line for each figure, with its rounds.
        text = re.sub(
            r"\[\s+([-0-9.,\s]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", json.dumps(document, indent=1)
        )
        path.write_text(f"{text}\n", encoding="utf-8")
        return path


def _measure_one(subject: Subject, name: str, measure: Callable[[Subject], Figures], results: Results) -> bool:
    """Measure a server once; return whether it still runs."""
    server = subject.server
    try:
        figures = measure(subject)
    except PROBLEMS as problem:
        results.note(server.name, f"{name}: {problem or type(problem).__name__}")
        figures = {}
    try:
        server.check()
    except BenchmarkError as problem:
        results.note(server.name, f"{name}: {problem}")
        return False
    if figures:
        results.add(server.name, figures)
        said = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"  round {subject.round + 1} {server.name:28} {said}", flush=True)
    return True


def _subject(
    chosen: settings.Settings, made: certificates.Certificates, server: Server, count: int, number: int
) -> Subject:
    """Return what a measure needs in a round."""
    names = links.some(chosen.connections, count, number)
    # A server of one target gets clients of one name: Apache keeps a connection for one name alone.
    names = names if server.routes else names[:1]
    names = [names[place % len(names)] for place in range(chosen.connections)]
    return Subject(server, count, names, made.authority, chosen.seconds, number, chosen.folder)


def _measure(chosen: settings.Settings, made: certificates.Certificates, count: int, results: Results) -> None:
    """Measure all servers with this number of links, in turns."""
    print(f"{count} links", flush=True)
    running = _started(chosen, made, count, results)
    alive = list(running)
    order = random.Random(count)  # noqa: S311 - the order of the servers
    wanted = [pair for pair in MEASURES if not chosen.measures or pair[0] in chosen.measures]
    # The rounds with links that come and go are the last, because a server may end of them.
    phases = [[pair for pair in wanted if (pair[0] == churn.NAME) == last] for last in (False, True)]
    try:
        # Not before: a server that listens already may still start its workers.
        for server in running:
            results.add(server.name, {"memory_mb": server.memory_bytes() / 1e6})
        for phase, number in itertools.product(phases, range(chosen.rounds)):
            for name, measure in phase:
                for server in order.sample(alive, len(alive)):
                    subject = _subject(chosen, made, server, count, number)
                    if not _measure_one(subject, name, measure, results):
                        alive.remove(server)
            # After each round, so that a run that is ended early leaves what it has.
            results.write(chosen)
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(chosen.folder / str(count), ignore_errors=True)


def main() -> int:
    """Measure, write the results, and print where they are."""
    # The servers end with this program, however it is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="lightship-bench-", dir="/dev/shm"))
    folder.chmod(0o755)
    chosen = settings.from_environment(folder)
    try:
        made = certificates.make(folder / "certificates")
        with Backend(folder, made, as_root=os.geteuid() == 0):
            for count in chosen.links:
                results = Results(count)
                _measure(chosen, made, count, results)
                print(f"Results: {results.write(chosen)}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
