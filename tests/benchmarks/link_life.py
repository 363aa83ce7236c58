"""How long a link takes to come to life and to end, from the bed's compute node and through the proxy.

For each of many links: the notebook (a TLS server with the link's certificate) answers; its target is published; the
first request through the proxy is answered by it. Then the link is ended and the next request must be refused. The
connection of the browser is open before, as that of a waiting page is.

Usage: link_life.py [LINKS], after `make demo` or `make test` has brought up the bed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "scripts")]

from agents_and_nodes import LINKS_OF_USER, Agent, program_on, told  # noqa: E402

ACTIVATION_AIM_MS, END_AIM_MS = 20, 50
MOST = 300
# Other ports each time, and the same again after 80 s only: the registry lets a port rest when its link has ended.
FIRST_PORT = 20_000 + int(time.time()) // 2 % 40 * 300
RESULT = REPOSITORY / ".bed" / "link_life.json"
PROGRAM = Path(__file__).with_name("link_life_on_node.py")


def lives(agent: Agent, count: int, user: str, first_port: int) -> list[dict[str, float]]:
    """Let some links of one user live and end, one after the other; the times of each in milliseconds."""
    links = [{**agent.create(user), "port": first_port + number} for number in range(count)]
    with program_on("node1", PROGRAM, {**told(), "links": links}) as running:
        times: list[dict[str, float]] = json.loads(running.communicate()[0])
    return times


def summary(name: str, times: list[float], aim: int) -> dict[str, float]:
    """Print and return median and 99th percentile."""
    found = {"median": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98]}
    met = "met" if found["p99"] <= aim else "MISSED"
    print(f"  {name:34s} median {found['median']:5.1f} ms   p99 {found['p99']:5.1f} ms  (aim: p99 {aim} ms; {met})")
    return found


def main(argv: list[str]) -> int:
    """Measure, print, keep the figures."""
    wanted = min(int(argv[0]), MOST) if argv else MOST
    agent = Agent()
    times: list[dict[str, float]] = []
    for number in range(-(-wanted // LINKS_OF_USER)):
        times += lives(
            agent, min(LINKS_OF_USER, wanted - len(times)), f"bench-{os.getpid()}-{number}", FIRST_PORT + len(times)
        )
        print(f"\r{len(times)} of {wanted} links", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    missed = sum(life["missed"] for life in times)
    print(f"{len(times)} links, {missed:.0f} of their first requests not answered by the notebook")
    figures = {
        "activation": summary(
            "notebook answers -> first 200", [life["activation"] for life in times], ACTIVATION_AIM_MS
        ),
        "end": summary("end asked for -> first refusal", [life["end"] for life in times], END_AIM_MS),
    }
    RESULT.write_text(json.dumps({"links": len(times), "missed": missed, **figures}, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
