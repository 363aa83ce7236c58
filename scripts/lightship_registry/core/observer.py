"""The interface for counting events."""

from __future__ import annotations


class Observer:
    """No-op observer. Labels are words of the program or of its settings, never a user's text."""

    def created(self, cluster: str) -> None:
        """A link was made."""

    def ended(self, cluster: str, cause: str) -> None:
        """This process ended a link; the administrators' command is another process."""

    def ready(self, cluster: str, seconds: float) -> None:
        """A link became ready, so many seconds after its job claimed it."""

    def published(self, seconds: float) -> None:
        """A target was checked and its route written, in so many seconds."""

    def refused(self, action: str, code: str, cluster: str) -> None:
        """A request was refused."""

    def answered(self, action: str, status: int, seconds: float) -> None:
        """The answer to a request began, after so many seconds."""

    def heard(self, cluster: str, clock_offset: float) -> None:
        """A request with a valid signature of the cluster came; its clock is ahead of this host's by the offset."""

    def swept(self) -> None:
        """The sweeper did a round."""


NO_OBSERVER = Observer()
