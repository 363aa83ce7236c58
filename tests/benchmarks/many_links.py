"""Many links made, claimed, published and ended one after another at a steady pace, while others are in use.

The links are made as a cluster's agent does it, for many users, because each may have ten at a time; the claims,
targets and ends come from both compute nodes. So the requests have three addresses, of which the web server takes 200
a second each; at a real centre they come from hundreds of nodes. Each link's notebook is a TLS server on a port of its
own with the link's own certificate, and is held for ten seconds; one link in ten is opened through the proxy as well.
One key serves all of them: openssl on the node would cost more than all that is measured, and the registry's and the
proxy's work is the same. Twenty other links have a request and a WebSocket's message every half second: none may fail.

Memory and descriptors are compared with what they were after a first round of links, which is not counted: a service
that has just started has not yet opened its database as often as it will, nor used the memory that it keeps.

Usage: many_links.py [LINKS [PACE]], after `make demo` or `make test` has brought up the bed: 1000 links at 55 a second
if nothing is said, which takes two minutes; 10000 take five. Exit status 1: a request failed.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "scripts")]

from agents_and_nodes import LINKS_OF_USER, Agent, program_on, told  # noqa: E402
from kept_links import PROGRAM, Seen, in_use  # noqa: E402
from proxy_usage import Peak, Usage, usage  # noqa: E402

RATE_AIM, P99_AIM_MS = 50, 250
KEPT, FIRST_ROUND, CREATORS, ONE_IN = 20, 200, 8, 10
HOLD_SECONDS, PAUSE_SECONDS = 10, 30
NODES = ("node1", "node2")
STEPS = ("create", "claim", "target", "end")
RUN = int(time.time())
# Where a run begins moves on faster than it uses ports, so that a later one lets those of an earlier one rest.
LOWEST_PORT, LOWEST_KEPT_PORT, PORTS, PORTS_A_SECOND = 7_000, 20_000, 12_000, 60
RESULT = REPOSITORY / ".bed" / "many_links.json"


class Results:
    """What came of each step of each link."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, list[float]] = defaultdict(list)
        self.problems: list[str] = []
        self.left: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, name: str, step: str, milliseconds: float, problem: str = "") -> None:
        """Take in one."""
        with self._lock:
            if problem:
                self.problems.append(f"{name} {step}: {problem}")
                return
            self.milliseconds[step].append(milliseconds)
            if step == "end":
                self.left.pop(name, None)

    def listen(self, lines: Iterable[str]) -> None:
        """Take in what a node's program tells."""
        for line in lines:
            said = json.loads(line)
            self.add(said["name"], said["step"], said["ms"], said["problem"])


class Crowd:
    """Makes links at a pace and has the nodes let each of them live and end."""

    def __init__(self, agent: Agent, pace: float, count: int) -> None:
        self.results = Results()
        self.seconds = 0.0
        self._agent = agent
        self._pace = pace
        self._count = count
        self._first_port = int(time.time() * PORTS_A_SECOND)

    @property
    def ended(self) -> int:
        """How many links have lived and ended."""
        return len(self.results.milliseconds["end"])

    @property
    def rate(self) -> float:
        """Links a second from the first one's creation to the last one's end, but for the time they are just held."""
        return self.ended / (self.seconds - HOLD_SECONDS)

    def live(self) -> Crowd:
        """Return when all have ended."""
        with ExitStack() as stack:
            programs = [
                stack.enter_context(program_on(node, PROGRAM, {**told(), "hold": HOLD_SECONDS})) for node in NODES
            ]
            readers = [threading.Thread(target=self.results.listen, args=[program.stdout]) for program in programs]
            for reader in readers:
                reader.start()
            began = time.perf_counter()
            self._make([program.stdin for program in programs if program.stdin])
            for reader in readers:
                reader.join()
            self.seconds = time.perf_counter() - began
        for name, user in self.results.left.items():
            self._agent.cancel(name, user)
        return self

    def _make(self, nodes: list[IO[str]]) -> None:
        began = time.perf_counter()
        with ThreadPoolExecutor(CREATORS) as pool:
            for number in range(self._count):
                time.sleep(max(0.0, began + number / self._pace - time.perf_counter()))
                pool.submit(self._make_one, number, nodes[number % len(nodes)])
                if number % self._pace == 0:
                    tell(f"{number} of {self._count} links made, {self.ended} have ended")
        for node in nodes:
            node.close()

    def _make_one(self, number: int, node: IO[str]) -> None:
        user = f"crowd-{RUN}-{self._count}-{number // LINKS_OF_USER}"
        port = LOWEST_PORT + (self._first_port + number // len(NODES)) % PORTS
        began = time.perf_counter()
        try:
            made = self._agent.create(user)
            self.results.add(made["name"], "create", (time.perf_counter() - began) * 1e3)
            self.results.left[made["name"]] = user
            # One write, so that lines of two threads do not mix.
            node.write(json.dumps({**made, "port": port, "visit": number % ONE_IN == 0}) + "\n")
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            self.results.add("", "create", 0, repr(error))


def tell(progress: str) -> None:
    """Show how far it is."""
    print(f"\r{progress:60}", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Held:
    """What the service held: before, at its most, and after a pause."""

    start: Usage
    peak: Usage
    after: Usage


def measure(count: int, pace: float) -> tuple[Crowd, Seen, Held]:
    """Do it all."""
    agent = Agent()
    first = int(time.time() * PORTS_A_SECOND / 3)
    ports = [LOWEST_KEPT_PORT + (first + number) % PORTS for number in range(KEPT)]
    kept = [
        {**agent.create(f"kept-{RUN}-{number // LINKS_OF_USER}"), "port": port, "visit": True}
        for number, port in enumerate(ports)
    ]
    with in_use(NODES[1], kept) as seen:
        Crowd(agent, pace, FIRST_ROUND).live()
        pause("before")
        start = usage()
        with Peak() as peak:
            crowd = Crowd(agent, pace, count).live()
        pause("after")
        return crowd, seen, Held(start, peak.usage, usage())


def pause(moment: str) -> None:
    """Wait until the web server has given up the connections that it keeps for a while."""
    tell(f"a pause of {PAUSE_SECONDS} s {moment} the count")
    time.sleep(PAUSE_SECONDS)


def show(crowd: Crowd, seen: Seen, held: Held) -> None:
    """Print it all for people."""
    results, rate = crowd.results, crowd.rate
    print(
        f"{crowd.ended} links, {len(seen.milliseconds)} requests and {seen.frames} messages on {KEPT} others meanwhile"
    )
    print(f"  {rate:.1f} links a second  (aim: {RATE_AIM}; {met(rate >= RATE_AIM)})")
    show_times("requests", all_requests(results), P99_AIM_MS)
    for step in STEPS:
        show_times(step, results.milliseconds[step])
    show_times("visit", results.milliseconds["visit"])
    show_times("others", seen.milliseconds)
    for part in ("registry", "nginx"):
        before, most, after = (getattr(moment, part) for moment in (held.start, held.peak, held.after))
        print(
            f"  {part:8}  memory {before.mib:5.1f} -> {most.mib:5.1f} -> {after.mib:5.1f} MiB"
            f"   descriptors {before.files:3} -> {most.files:4} -> {after.files:3}"
            f"   CPU {(after.cpu - before.cpu) / max(1, crowd.ended) * 1e3:.1f} ms a link"
        )
    print(f"  failed: {len(seen.failed)} on the others, {len(results.problems)} of the links' own requests")
    for problem in (seen.failed + results.problems)[:20]:
        print(f"    {problem}")


def all_requests(results: Results) -> list[float]:
    """Return how long each of the links' requests to the registry took, in milliseconds."""
    return [each for step in STEPS for each in results.milliseconds[step]]


def show_times(what: str, times: list[float], aim: int = 0) -> None:
    """Print median and 99th percentile of some milliseconds."""
    p99 = percentile(times, 99)
    verdict = f"  (aim: p99 {aim} ms; {met(p99 <= aim)})" if aim else ""
    print(f"  {what:8}  median {percentile(times, 50):6.1f} ms   p99 {p99:6.1f} ms{verdict}")


def percentile(times: list[float], hundredth: int) -> float:
    """Return it; 0 if there is nothing to tell of."""
    return statistics.quantiles(times, n=100)[hundredth - 1] if len(times) > 1 else 0.0


def met(fine: bool) -> str:
    """Say whether an aim was met."""
    return "met" if fine else "MISSED"


def report(crowd: Crowd, seen: Seen, held: Held) -> dict[str, object]:
    """Return what is kept in .bed/."""
    times = crowd.results.milliseconds
    steps = {step: {f"p{p}": percentile(times[step], p) for p in (50, 99)} for step in (*STEPS, "visit")}
    return {
        "links": crowd.ended,
        "a_second": crowd.rate,
        "problems": crowd.results.problems,
        "requests_p99_ms": percentile(all_requests(crowd.results), 99),
        "steps_ms": steps,
        "others": {"requests": len(seen.milliseconds), "messages": seen.frames, "failed": seen.failed},
        "held": {name: asdict(getattr(held, name)) for name in ("start", "peak", "after")},
    }


def main(argv: list[str]) -> int:
    """Measure, print, keep the figures."""
    count, pace = int(argv[0]) if argv else 1000, float(argv[1]) if len(argv) > 1 else 55.0
    crowd, seen, held = measure(count, pace)
    print(file=sys.stderr)
    show(crowd, seen, held)
    RESULT.write_text(json.dumps(report(crowd, seen, held), indent=2) + "\n", encoding="utf-8")
    return 1 if seen.failed or crowd.results.problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
