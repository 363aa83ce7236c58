"""Checks now and then whether the agent can ask its scheduler for job states, also while nobody waits for a job."""

from __future__ import annotations

import threading
import time
import traceback

from lightship_cluster.core.errors import RepeatedErrors
from lightship_cluster.schedulers.base import JobSource

# Every user may ask; the scheduler is asked no more often than this.
FRESH_SECONDS = 20.0
INTERVAL_SECONDS, INTERVAL_AFTER_FAULT = 300.0, 30.0


class SchedulerCheck:
    """Keeps the reason why job states cannot be asked for, and prints each new one."""

    def __init__(self, scheduler: JobSource) -> None:
        self._scheduler = scheduler
        self._lock = threading.Lock()
        # The last result, for callers that must not wait for an answer.
        self.last = ""
        self._until = 0.0
        self._errors = RepeatedErrors(
            "The scheduler cannot be asked how jobs are", "The scheduler can be asked how jobs are again."
        )

    def run(self) -> None:
        """Check for ever, in a thread of its own."""
        while True:
            time.sleep(INTERVAL_AFTER_FAULT if self.fault() else INTERVAL_SECONDS)

    def fault(self) -> str:
        """The reason why job states cannot be asked for; empty if they can."""
        with self._lock:
            if time.monotonic() >= self._until:
                self.last = self._asked()
                self._errors.say(self.last)
                self._until = time.monotonic() + FRESH_SECONDS
            return self.last

    def _asked(self) -> str:
        try:
            return self._scheduler.fault()
        except Exception as error:
            # Nothing restarts a thread. Users read the sentence; administrators read the traceback, printed once.
            sentence = (
                f"What the scheduler answered cannot be read ({type(error).__name__}). "
                "Tell your administrators; on this host: journalctl -u lightship-agent"
            )
            if sentence != self.last:
                traceback.print_exc()
            return sentence
