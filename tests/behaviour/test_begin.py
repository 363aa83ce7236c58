"""A notebook's job that runs, as its owner sees it, and that ends with its link."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support import bed, cell, clusters
from support.clusters.base import RUNS

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
