"""What the agent's rounds cost PBS while hundreds of links wait in its queue, and a user's `qstat` meanwhile.

Usage: pbs_poll.py [LINKS], while the hosts of the scenario pbs are up (`molecule converge --scenario-name pbs`).
Users and jobs are made for it on the login node and removed afterwards.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests")]

from support import bed, clusters  # noqa: E402

LINKS_OF_USER = 10
# A connection that is over is seen for a minute.
WATCHED_SECONDS = 65
PROGRAM = Path(__file__).with_name("pbs_poll_on_login.py").read_text()
SEEN = """
import json, sqlite3
store = sqlite3.connect("file:/var/lib/lightship/registry.sqlite3?mode=ro", uri=True)
print(json.dumps(store.execute(
    "SELECT name, job_seen_at FROM links WHERE cluster = 'pbs' AND job_state = 'held'").fetchall()))
"""
LOGIN = clusters.PBS.login
THERE = "/run/lightship-poll.py"


def told(**order: object) -> Any:
    """Have the login node do something."""
    done = bed.run(LOGIN, f"python3 {THERE}", text=json.dumps(order))
    return json.loads(done.stdout)


def seen() -> dict[str, float]:
    """Return when each link's job was last told of."""
    return dict(json.loads(bed.python("proxy", SEEN)))


def rounds(names: set[str], seconds: float) -> list[float]:
    """Watch for a while when the agent's reports come in; return the seconds between two that tell of all links."""
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        last = [at for name, at in seen().items() if name in names]
        if len(last) == len(names) and min(last) > (times[-1] if times else 0.0):
            times.append(max(last))
        time.sleep(1)
    return [after - before for before, after in pairwise(times)]


def main(argv: list[str]) -> int:
    """Make the links, look on, print, and take all back."""
    number = int((argv or ["400"])[0])
    count = -(-number // LINKS_OF_USER)
    bed.run(LOGIN, f"cat > {THERE}", text=PROGRAM)
    jobs: dict[str, str] = {}
    try:
        jobs = told(do="begin", users=count, links=LINKS_OF_USER)
        print(f"{len(jobs)} links of {count} users wait.", file=sys.stderr)
        # What making them left is over by the end of it, and nobody but the agent asks PBS meanwhile.
        between = rounds(set(jobs), WATCHED_SECONDS)
        figures = told(do="measure", jobs=list(jobs.values()), users=count)
        every = statistics.median(between)
        polls = WATCHED_SECONDS / every
        print(f"{len(jobs)} links in the queue; the registry hears of all of them every {every:.0f} s")
        print(f"  one question about all: median {statistics.median(figures['asked']):.2f} s")
        print(
            f"  connections to PBS: {figures['connections']} in a minute, {figures['connections'] / polls:.1f} a round"
        )
        meanwhile = figures["meanwhile"]
        print(f"  a user's qstat: median {statistics.median(meanwhile):.2f} s, longest {max(meanwhile):.2f} s")
    finally:
        told(do="end", users=count, jobs=list(jobs.values()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
