"""The events that may be counted, and who is told of them."""

from __future__ import annotations


class Observer:
    """No-op observer. Labels are words of the program or of its settings, never a user's text."""

    def created(self, cluster: str) -> None:
        """A link was made."""

    def ended(self, cluster: str, cause: str) -> None:
        """A link ended, here: what the administrator's command ends is another process's."""

    def ready(self, cluster: str, seconds: float) -> None:
        """A link's notebook answers, so long after the job claimed the link."""

    def published(self, seconds: float) -> None:
        """A target was checked and its route written, in so much time."""

    def refused(self, action: str, code: str, cluster: str) -> None:
        """A request was refused."""

    def answered(self, action: str, status: int, seconds: float) -> None:
        """The answer to a request began, after so much time."""

    def heard(self, cluster: str, clock_offset: float) -> None:
        """A request came that a cluster's key vouches for; its clock is so much ahead of ours."""

    def swept(self) -> None:
        """The sweeper did a round."""


NO_OBSERVER = Observer()
