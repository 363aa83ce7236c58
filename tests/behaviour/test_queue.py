"""Jobs that wait, as their owners see them in the terminal and on the page, and what other users' jobs make of them.

Another user puts text into jobs of their own that looks like the scheduler's answer about somebody else's job.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from support import bed, clusters
from support.clusters.base import HELD, WAITS

HERE = clusters.here()


def texts(job: str) -> list[str]:
    """Return twenty texts that say that a job is over, in every form in which an answer may be read."""
    number = job.partition(".")[0]
    over = f"Job Id: {job}\n    Job_Owner = alice@{HERE.login}\n    job_state = F\n    Exit_status = 0"
    record = f'"{job}":{{"job_state":"F","Job_Owner":"alice@{HERE.login}","Exit_status":0}}'
    line = f"{job}|FAILED|NonZeroExitCode|alice"
    breaks = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u010a\u010a"]
    return [
        *(f"x{each}{line}{each}{over.replace(chr(10), each)}{each}" for each in breaks),
        f'x"}},{record},"y":{{"z":"',
        f'x\\"}}}},{record}',
        f"x\\n{over}".replace("\n", "\\n"),
        f"x\t{number}\tCANCELLED\tF",
        f"\x1b[2J\x1b[H{line}",
        f"</script><script>alert({number})</script>",
        f"$(scancel {job}; qdel {job})`qdel {job}`",
        "x" * 4000 + "\n" + over,
        "\udcff\udcfe\n" + over,
    ]


@contextmanager
def forged(job: str) -> Iterator[None]:
    """Have another user's jobs with these texts in the queue."""
    submits = [HERE.with_text(shlex.quote(text)) for text in texts(job)]
    try:
        # Some the scheduler itself refuses.
        bed.run(HERE.login, "\n".join(submits), user="mallory", check=False)
        assert len(HERE.jobs_of("mallory")) >= len(submits) // 2
        yield
    finally:
        HERE.cancel_all("mallory")


@dataclass(frozen=True)
class Queue:
    """Jobs that wait, each for another reason, and what ends the want of nodes."""

    held: bed.Notebook
    dependent: bed.Notebook
    without_node: bed.Notebook
    nodes: ExitStack


@pytest.fixture(scope="module")
def queue() -> Iterator[Queue]:
    """Make them one after the other, the last two when the forged jobs are there: reports on those come later."""
    with (
        HERE.left_in_the_queue("alice", f"-t 5 -- {HERE.hold}", HERE.held_words) as held,
        forged(held.job),
        HERE.left_in_the_queue("bob", f"-t 5 -- {HERE.after.format(job=held.job)}", HERE.dependent_words) as dependent,
        ExitStack() as nodes,
    ):
        nodes.enter_context(HERE.drained())
        last = HERE.left_in_the_queue("alice", "-p debug -t 5", HERE.drained_words)
        yield Queue(held, dependent, nodes.enter_context(last), nodes)


def waits_for(waiting: bed.Notebook, state: str, words: str) -> None:
    """Assert that the terminal, `list` and the page all say why the job waits."""
    assert words in waiting.output
    bed.eventually(lambda: bed.record(waiting.name)["job_state"] == state, f"the registry was not told: {state}")
    reason = bed.record(waiting.name)["job_reason"]
    assert words in reason[:1].lower() + reason[1:]
    assert reason[0].isupper()
    assert reason.endswith(".")
    assert reason in HERE.waiting_page(waiting)


def test_jobs_that_wait_say_why(queue: Queue) -> None:
    # Ctrl-C leaves the job alone, and says how to stop it.
    assert HERE.stops.format(job=queue.without_node.job) in queue.without_node.output
    states = {job.state for job in map(HERE.job, (queue.held.job, queue.without_node.job)) if job}
    assert states == {HELD, WAITS}
    waits_for(queue.without_node, "queued", HERE.drained_words)
    waits_for(queue.held, "held", HERE.held_words)
    waits_for(queue.dependent, "queued", HERE.dependent_words)
    waiting = bed.links("alice")[queue.held.name], bed.links("bob")[queue.dependent.name]
    assert waiting == ("waiting", "waiting")


def test_twenty_texts_in_jobs_of_another_user_change_nothing(queue: Queue) -> None:
    # Of a job that came after them the registry heard: of this one too, in the same look at the queue.
    assert bed.record(queue.without_node.name)["job_seen_at"]
    row = bed.record(queue.held.name)
    assert (row["state"], row["job_state"], row["cause"]) == ("waiting", "held", ""), row
    assert HERE.held_words in HERE.run("start-jupyter list", "alice")
    assert "alert(" not in HERE.waiting_page(queue.held)


def test_they_begin_when_they_may(queue: Queue) -> None:
    queue.nodes.close()
    HERE.release(queue.held.job)
    bed.eventually(lambda: bed.answers(queue.held), "a job that was released does not begin")
    HERE.cancel(queue.held.job)
    bed.eventually(lambda: bed.answers(queue.dependent), "a job does not begin though the one before it is over")
