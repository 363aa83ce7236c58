"""A notebook's job from the queue to its end, as its owner sees it in the terminal, on the page and in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support import bed, cell, clusters
from support.clusters.base import HELD, RUNS, WAITS

HERE = clusters.here()


@pytest.fixture(scope="module")
def notebook() -> Iterator[bed.Notebook]:
    started = HERE.start("alice")
    yield started
    HERE.stop(started)


def test_the_notebook_runs_on_a_compute_node_as_the_user(notebook: bed.Notebook) -> None:
    job = HERE.job(notebook.job)
    assert job
    assert (job.state, notebook.job in HERE.jobs_of("alice")) == (RUNS, True)
    assert bed.run(job.node, "pgrep -u alice -f jupyter-").stdout.strip()
    shown = "import getpass, os, platform; print(getpass.getuser(), platform.node(), os.getcwd())"
    assert cell.run(notebook, shown) == f"alice {job.node} /home/alice"


def test_the_url_stands_alone_on_standard_output_and_all_else_on_standard_error() -> None:
    done = bed.run(HERE.login, "start-jupyter -t 5", user="alice")
    started = HERE.notebook("alice", done.stdout)
    assert bed.LINK.fullmatch(done.stdout)
    assert "Ready: your notebook answers." in done.stderr
    assert "start-jupyter stop" in done.stderr
    assert f"Job {started.job} " in done.stderr
    HERE.cancel(started.job)


def test_a_cancelled_job_takes_its_link_and_its_secrets_along() -> None:
    started = HERE.start("bob")
    folder = f"~bob/.local/state/lightship/{started.name}"
    HERE.stop(started)
    assert started.name not in bed.routes()
    assert bed.links("bob")[started.name] == "ended"
    bed.eventually(
        lambda: bed.run(HERE.login, f"ls {folder}/secret {folder}/token", check=False).returncode != 0,
        "the secrets of an ended link are still on the disk",
    )


def waits_for(waiting: bed.Notebook, state: str, words: str) -> None:
    """Assert that the terminal, `list` and the page all say why the job waits."""
    assert words in waiting.output
    bed.eventually(lambda: bed.record(waiting.name)["job_state"] == state, f"the registry was not told: {state}")
    reason = bed.record(waiting.name)["job_reason"]
    assert words in reason[:1].lower() + reason[1:]
    assert reason[0].isupper()
    assert reason.endswith(".")
    assert reason in HERE.waiting_page(waiting)


def test_jobs_that_wait_say_why_and_begin_when_they_may() -> None:
    with (
        HERE.left_in_the_queue("alice", f"-t 5 -- {HERE.hold}", HERE.held_words) as held,
        HERE.left_in_the_queue("bob", f"-t 5 -- {HERE.after.format(job=held.job)}", HERE.dependent_words) as dependent,
    ):
        with HERE.drained(), HERE.left_in_the_queue("alice", "-p debug -t 5", HERE.drained_words) as without_node:
            # Ctrl-C leaves the job alone, and says how to stop it.
            assert HERE.stops.format(job=without_node.job) in without_node.output
            states = {job.state for job in map(HERE.job, (held.job, without_node.job)) if job}
            assert states == {HELD, WAITS}
            waits_for(without_node, "queued", HERE.drained_words)
            waits_for(held, "held", HERE.held_words)
            waits_for(dependent, "queued", HERE.dependent_words)
            assert {bed.links("alice")[held.name], bed.links("bob")[dependent.name]} == {"waiting"}
        HERE.release(held.job)
        bed.eventually(lambda: bed.answers(held), "a job that was released does not begin")
        HERE.cancel(held.job)
        bed.eventually(lambda: bed.answers(dependent), "a job does not begin though the one before it is over")


def test_a_job_runs_in_a_reservation_by_the_name_that_the_scheduler_printed() -> None:
    name = HERE.reserve("alice")
    try:
        reserved = HERE.start("alice", f"-t 5 --reservation {name}")
        assert bed.answers(reserved)
        HERE.stop(reserved)
    finally:
        HERE.end_reservation(name)


def test_a_link_cancelled_while_its_job_waits_takes_the_job_out_of_the_queue() -> None:
    before = set(bed.links("bob"))
    with HERE.drained(), ThreadPoolExecutor(1) as pool:
        following = pool.submit(HERE.run, "start-jupyter -p debug -t 5", "bob", check=False)
        bed.eventually(
            lambda: any(bed.record(name)["job_id"] for name in set(bed.links("bob")) - before),
            "the registry was not told the job's number",
        )
        (name,) = set(bed.links("bob")) - before
        job = bed.record(name)["job_id"]
        assert HERE.agent("bob", op="cancel", name=name, reason="No longer needed.")["ok"]
        assert f"No longer needed. Job {job} was cancelled too." in following.result()
        assert HERE.job(job) is None


def test_a_notebook_outlives_a_restart_of_the_registry_and_of_the_agent(notebook: bed.Notebook) -> None:
    bed.run("proxy", "systemctl restart lightship-registry")
    HERE.run("systemctl restart lightship-agent")
    assert bed.status_of(notebook.name) == httpx.codes.OK
    assert HERE.agent("alice", op="status", name=notebook.name)["state"] == "ready"
