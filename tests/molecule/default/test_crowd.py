"""Many at once on one node, and what happens to the node, the login node and the time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

import bed

# As many as two users may have at a time.
STARTS = 20
SPARED = 130


def start_all(user: str) -> list[bed.Notebook]:
    """Start half of them from one login, as a script would: sshd lets only a few people in at the same moment."""
    each = 'start-jupyter -t 10 -- --nodelist=node1 >"crowd/$number" 2>&1'
    numbers = range(STARTS // 2)
    listed = " ".join(map(str, numbers))
    bed.run("login", f"mkdir -p crowd; for number in {listed}; do {each} & done; wait", user=user)
    printed = [bed.run("login", f"cat crowd/{number}", user=user).stdout for number in numbers]
    bed.run("login", "rm -r crowd", user=user)
    return [bed.notebook(user, output) for output in printed]


@pytest.fixture
def crowd() -> Iterator[list[bed.Notebook]]:
    """Return twenty notebooks of two users, all started at once, all on one node."""
    try:
        with ThreadPoolExecutor(2) as pool:
            yield [notebook for part in pool.map(start_all, ("alice", "bob")) for notebook in part]
    finally:
        bed.run("login", "scancel -u alice; scancel -u bob")


def status(notebook: bed.Notebook, token: str) -> int:
    """Return what a notebook's own API answers to a token."""
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        return browser.get("/api/status", params={"token": token}).status_code


def test_twenty_starts_at_once_on_one_node_never_meet(crowd: list[bed.Notebook]) -> None:
    rows = [bed.record(notebook.name) for notebook in crowd]
    assert len({row["target"] for row in rows}) == STARTS, "two notebooks share a port"
    assert {row["target"].partition(":")[0] for row in rows} == {"10.89.77.31"}
    for notebook, neighbour in zip(crowd, [*crowd[1:], crowd[0]], strict=True):
        assert status(notebook, notebook.token) == httpx.codes.OK
        assert status(notebook, neighbour.token) == httpx.codes.FORBIDDEN
    # An eleventh of one user's is refused in words, and nothing is left of the try.
    before = bed.run("login", "squeue -h -u alice -o %i; ls ~alice/.local/state/lightship").stdout
    refused = bed.run("login", "start-jupyter -t 5", user="alice", check=False)
    assert refused.returncode == 11
    assert "You have 10 live links, as many as are allowed. End one first." in refused.stderr
    assert bed.run("login", "squeue -h -u alice -o %i; ls ~alice/.local/state/lightship").stdout == before
    bed.run("login", f"scancel {' '.join(notebook.job for notebook in crowd)}")
    bed.eventually(
        lambda: not {notebook.name for notebook in crowd} & set(bed.routes()), "links of cancelled jobs are still open"
    )
    bed.eventually(
        lambda: bed.run("node1", "pgrep -u alice,bob -f jupyter", check=False).returncode == 1, "processes are left"
    )
    left = bed.run(
        "login", "ls ~alice/.local/state/lightship/*/secret ~bob/.local/state/lightship/*/secret", check=False
    )
    assert not [name for name in (notebook.name for notebook in crowd) if name in left.stdout]


@dataclass(frozen=True)
class Doomed:
    """Two notebooks that were left to their fate at the same time, for both take a while."""

    short: bed.Notebook
    lost: bed.Notebook


@pytest.fixture(scope="module")
def doomed() -> Iterator[Doomed]:
    """Return a notebook whose time is over, and one whose node has died."""
    short = bed.start("bob", "-t 1 -- --nodelist=node1")
    lost = bed.start("alice", "-t 10 -- --nodelist=node2")
    bed.engine("pause", "lightship-node2")
    try:
        bed.run("login", "scontrol update nodename=node2 state=down reason=test")
        for notebook in (short, lost):
            bed.eventually(
                lambda name=notebook.name: bed.record(name)["state"] == "ended",  # type: ignore[misc]
                f"the link {notebook.name} lives on",
                seconds=SPARED,
            )
        yield Doomed(short, lost)
    finally:
        bed.engine("unpause", "lightship-node2")
        bed.run("login", "scontrol update nodename=node2 state=resume")
        bed.eventually(
            lambda: bed.run("login", "sinfo -h -n node2 -o %T").stdout.split()[0] == "idle", "node2 does not come back"
        )


def epitaph(notebook: bed.Notebook) -> str:
    """Return the page that the owner finds at a link that has ended."""
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        answer = browser.get("/lab", params={"token": notebook.token})
    assert answer.status_code == httpx.codes.GONE
    return answer.text


def test_when_its_time_is_over_a_notebook_says_so(doomed: Doomed) -> None:
    row = bed.record(doomed.short.name)
    assert row["cause"] == "time-limit", row["reason"]
    assert "start-jupyter -t 2" in epitaph(doomed.short)
    assert "time" in epitaph(doomed.short)


def test_a_node_that_dies_takes_its_link_along_and_is_named_as_the_cause(doomed: Doomed) -> None:
    row = bed.record(doomed.lost.name)
    assert row["cause"] == "node-failed", row["reason"]
    assert doomed.lost.name not in bed.routes()
    assert "node" in epitaph(doomed.lost)


def queue_of(user: str) -> str:
    """Return the numbers of a user's jobs that wait."""
    return bed.run("login", f"squeue -h -u {user} -t PENDING -o %i").stdout.strip()


def test_a_notebook_comes_up_though_the_login_node_is_gone() -> None:
    """Nobody follows the job and no agent answers: the job has all that it needs."""
    try:
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(bed.run, "login", "start-jupyter -t 5 -- --hold", user="bob", check=False)
            bed.eventually(lambda: bool(queue_of("bob")), "no job was submitted")
            bed.run("login", "systemctl stop lightship-agent; pkill -KILL -u bob -f bin/start-jupyter")
            printed = following.result().stdout
        _, name, token = bed.parse(printed)
        bed.run("login", f"scontrol release {queue_of('bob')}")
        bed.eventually(lambda: bed.status_of(name) == httpx.codes.OK, "the notebook did not come up")
        with bed.client(f"{name}.{bed.DOMAIN}") as browser:
            assert browser.get("/api/status", params={"token": token}).status_code == httpx.codes.OK
    finally:
        bed.run("login", "systemctl start lightship-agent; scancel -u bob")
