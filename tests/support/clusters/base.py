"""The interface of a cluster for the tests of behaviour, the same for every scheduler."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from support import bed

WAITS, HELD, RUNS = "waits", "held", "runs"
# What a shell runs in the background has no interrupt signal, unless it asks for it. It ends by itself after a minute.
INTERRUPTED = """
said=$(mktemp)
env --default-signal=INT timeout --signal=INT 60 start-jupyter {options} >"$said" 2>&1 &
until grep --quiet --fixed-strings -- {words} "$said" || ! kill -0 $!; do sleep 0.2; done 2>/dev/null
kill -INT $! 2>/dev/null
wait
cat "$said"
rm "$said"
"""


@dataclass(frozen=True)
class Job:
    """The state of a job that waits or runs, from the scheduler."""

    state: str
    node: str
    partition: str
    minutes: int
    account: str
    cores: int


@dataclass(frozen=True)
class Cluster(ABC):
    """One cluster of the test bed, with the partitions `compute` and `debug`."""

    name: str
    scheduler: str
    login: str
    nodes: tuple[str, str]
    # The options after -- with which a job is held, and with which it waits for the end of {job}.
    hold: str
    after: str
    # An option that it does not take, and some of its words about it.
    refused_option: str
    refused_words: tuple[str, ...]
    # The command with which a user stops a job.
    stops: str
    # What is said of a job for which no node is free, of one that is held, and of one that waits for another.
    drained_words: str
    held_words: str
    dependent_words: str
    # The examples of the command that this one succeeds: partition, minutes and account of each job.
    examples: dict[str, tuple[str, int, str]] = field(hash=False)
    # Whether the scheduler ends a job that uses more memory than it asked for.
    limits_memory: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """All of its hosts."""
        return (self.login, *self.nodes)

    # What users do.

    def run(self, command: str, user: str = "root", *, check: bool = True, text: str = "") -> str:
        """Run a command on the login node and return what it printed."""
        done = bed.run(self.login, command, user=user, check=check, text=text)
        return done.stdout + done.stderr

    def start(self, user: str, arguments: str = "-t 10") -> bed.Notebook:
        """Start a notebook and return when it answers."""
        return bed.start(user, arguments, login=self.login)

    def notebook(self, user: str, printed: str) -> bed.Notebook:
        """Return the notebook from the output of `start-jupyter`."""
        return bed.notebook(user, printed, login=self.login)

    def agent(self, user: str, **request: object) -> dict[str, Any]:
        """Put one request to the agent."""
        return bed.agent(user, login=self.login, **request)

    def stop(self, notebook: bed.Notebook) -> None:
        """End a notebook's job and wait until its link is gone."""
        self.cancel(notebook.job)
        bed.wait_until_gone(notebook)

    @contextmanager
    def left_in_the_queue(self, user: str, options: str, words: str) -> Iterator[bed.Notebook]:
        """Yield a link with a queued job whose start was ended with Ctrl-C when it printed `words`."""
        waiting = self.notebook(user, self.interrupted(user, options, words))
        try:
            yield waiting
        finally:
            self.cancel(waiting.job)
            self.agent(user, op="cancel", name=waiting.name, reason="test")

    def interrupted(self, user: str, options: str, words: str) -> str:
        """Return the output of a start that is ended with Ctrl-C as soon as it has printed `words`."""
        return self.run(INTERRUPTED.format(options=options, words=shlex.quote(words)), user, check=False)

    def waiting_page(self, waiting: bed.Notebook) -> str:
        """The waiting page, as the owner reads it."""
        with bed.client(f"{waiting.name}.{bed.DOMAIN}") as browser:
            answer = browser.get("/lab", params={"token": waiting.token})
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        return answer.text

    def cancel_all(self, *users: str) -> None:
        """Cancel all jobs of these users."""
        if jobs := [number for user in users for number in self.jobs_of(user)]:
            self.cancel(*jobs)

    # What only the scheduler can say and do.

    @abstractmethod
    def jobs_of(self, user: str) -> set[str]:
        """The numbers of a user's jobs that wait or run."""

    @abstractmethod
    def job(self, number: str) -> Job | None:
        """The state of a job from the scheduler; None if it neither waits nor runs."""

    @abstractmethod
    def cancel(self, *numbers: str) -> None:
        """Cancel jobs as their users do; jobs that are over already are no error."""

    @abstractmethod
    def release(self, number: str) -> None:
        """Release a job that was held."""

    @abstractmethod
    def with_text(self, quoted: str) -> str:
        """Return the command that submits a held job with this text, quoted for a shell, wherever it takes text."""

    @abstractmethod
    def on(self, node: str) -> str:
        """The option after -- with which a job runs on one node."""

    @abstractmethod
    def drain(self) -> None:
        """Make the nodes take no more jobs; running jobs go on."""

    @abstractmethod
    def resume(self) -> None:
        """Make the nodes take jobs again."""

    @abstractmethod
    def lose(self, node: str) -> None:
        """Make a node fail with all that runs on it."""

    @abstractmethod
    def bring_back(self, node: str) -> None:
        """Boot a failed node, and wait until it takes jobs."""

    @property
    @abstractmethod
    def server(self) -> str:
        """The unit of the scheduler's server on the login node."""

    @abstractmethod
    def reserve(self, user: str) -> str:
        """Make a reservation of a few minutes for a user, and return its name as the scheduler prints it."""

    @abstractmethod
    def end_reservation(self, name: str) -> None:
        """Remove the reservation."""

    @contextmanager
    def drained(self) -> Iterator[None]:
        """Keep jobs in the queue within the block."""
        self.drain()
        try:
            yield
        finally:
            self.resume()

    @contextmanager
    def without_server(self) -> Iterator[None]:
        """Keep the scheduler's server from answering within the block."""
        bed.run(self.login, f"systemctl stop {self.server}")
        try:
            yield
        finally:
            bed.run(self.login, f"systemctl start {self.server}")
            bed.eventually(self.answers, "the scheduler does not come back")

    def restart_server(self) -> None:
        """Restart the scheduler's server, with queued and running jobs."""
        bed.run(self.login, f"systemctl restart {self.server}")
        bed.eventually(self.answers, "the scheduler does not come back")

    def answers(self) -> bool:
        """Whether the scheduler's server answers."""
        try:
            self.jobs_of("root")
        except AssertionError:
            return False
        return True
