"""Two users and many at once on one node, and a login node that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support import bed, clusters

HERE = clusters.here()
NODE = HERE.nodes[0]
# As many as two users may have at a time.
STARTS = 20


def start_all(user: str) -> list[bed.Notebook]:
    """Start half of them from one login, as a script would: sshd lets only a few people in at the same moment."""
    each = f'start-jupyter -t 10 -- {HERE.on(NODE)} >"crowd/$number" 2>&1'
    numbers = range(STARTS // 2)
    listed = " ".join(map(str, numbers))
    HERE.run(f"mkdir -p crowd; for number in {listed}; do {each} & done; wait", user)
    printed = [HERE.run(f"cat crowd/{number}", user) for number in numbers]
    HERE.run("rm -r crowd", user)
    assert all("Ready: your notebook answers." in output for output in printed), printed
    return [HERE.notebook(user, output) for output in printed]


@pytest.fixture
def crowd() -> Iterator[list[bed.Notebook]]:
    """Return twenty notebooks of two users, all started at once, all on one node."""
    try:
        with ThreadPoolExecutor(2) as pool:
            yield [notebook for part in pool.map(start_all, ("alice", "bob")) for notebook in part]
    finally:
        HERE.cancel_all("alice", "bob")


def status(notebook: bed.Notebook, token: str) -> int:
    """Return what a notebook's own API answers to a token."""
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        return browser.get("/api/status", params={"token": token}).status_code


def test_twenty_starts_at_once_on_one_node_never_meet(crowd: list[bed.Notebook]) -> None:
    rows = [bed.record(notebook.name) for notebook in crowd]
    assert len({row["target"] for row in rows}) == STARTS, "two notebooks share a port"
    address = HERE.run(f"getent hosts {NODE}").split()[0]
    assert {row["target"].partition(":")[0] for row in rows} == {address}
    for notebook, neighbour in zip(crowd, [*crowd[1:], crowd[0]], strict=True):
        assert status(notebook, notebook.token) == httpx.codes.OK
        assert status(notebook, neighbour.token) == httpx.codes.FORBIDDEN
    # An eleventh of one user's is refused in words, and nothing is left of the try.
    before = HERE.jobs_of("alice"), HERE.run("ls ~alice/.local/state/lightship")
    refused = bed.run(HERE.login, "start-jupyter -t 5", user="alice", check=False)
    assert refused.returncode == 11
    assert "You have 10 live links, as many as are allowed. End one first." in refused.stderr
    assert (HERE.jobs_of("alice"), HERE.run("ls ~alice/.local/state/lightship")) == before
    HERE.cancel(*(notebook.job for notebook in crowd))
    bed.eventually(
        lambda: not {notebook.name for notebook in crowd} & set(bed.routes()), "links of cancelled jobs are still open"
    )
    bed.eventually(
        lambda: bed.run(NODE, "pgrep -u alice,bob -f jupyter", check=False).returncode == 1, "processes are left"
    )
    left = HERE.run("ls ~alice/.local/state/lightship/*/secret ~bob/.local/state/lightship/*/secret", check=False)
    assert not [name for name in (notebook.name for notebook in crowd) if name in left]


def test_a_notebook_comes_up_though_the_login_node_is_gone() -> None:
    """Nobody follows the job and no agent answers: the job has all that it needs."""
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(HERE.run, f"start-jupyter -t 5 -- {HERE.hold} >gone.out 2>&1", "bob", check=False)
            bed.eventually(
                lambda: "hold" in HERE.run("cat ~bob/gone.out", check=False), "no job was submitted, or none is held"
            )
            HERE.run("systemctl stop lightship-agent; pkill -KILL -u bob -f bin/start-jupyter")
        _, name, token = bed.parse(HERE.run("cat gone.out; rm gone.out", "bob"))
        (job,) = HERE.jobs_of("bob")
        HERE.release(job)
        bed.eventually(lambda: bed.status_of(name) == httpx.codes.OK, "the notebook did not come up")
        assert bed.answers(bed.Notebook(name, "", token, job, ""))
    finally:
        HERE.run("systemctl start lightship-agent")
        HERE.cancel_all("bob")
