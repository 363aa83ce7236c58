"""Warns a few minutes before a notebook ends: in the job's log, and in the terminals that are open in Jupyter."""

from __future__ import annotations

import time

from lightship_cluster.core.durations import words_of
from lightship_cluster.core.job_log import say
from lightship_cluster.job.endings import end_of_job
from lightship_cluster.job.terminals import write_to_terminals

WARN_SECONDS = 300.0


class EndWarning:
    """Warns once: when the time comes, or when the scheduler says so before."""

    def __init__(self) -> None:
        self._end = 0.0
        self._due = 0.0
        self._told = False

    def expect(self, expires: float) -> None:
        """The notebook is open until then. Of a short life the last half is warned of, not all of it."""
        self._end = min(filter(None, (expires, end_of_job())))
        self._due = self._end - min(WARN_SECONDS, (self._end - time.time()) / 2)

    def signalled(self) -> None:
        """The scheduler sends its signal; safe to be called in the middle of anything."""
        self._due = min(self._due, time.time())

    def pause(self) -> float:
        """Seconds until there is something to do."""
        return float("inf") if self._told else max(0.0, self._due - time.time())

    def look(self, process: int, noun: str = "notebook") -> None:
        """Warn if it is time to: the terminals are those of this process, and it is this that ends."""
        if self._told or time.time() < self._due:
            return
        self._told = True
        end = min(self._end, time.time() + WARN_SECONDS)
        at = time.strftime("%H:%M", time.localtime(end))
        sentence = f"This {noun} ends in {words_of(end - time.time() + 1)}, at {at}: save your work."
        say(sentence)
        write_to_terminals(process, f"Lightship: {sentence}")
