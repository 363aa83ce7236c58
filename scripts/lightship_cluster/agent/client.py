"""The agent's client, used by `start-jupyter`."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightship_cluster.agent.agent_protocol import ANSWER_LIMIT, BadLine, read_line, write_line
from lightship_cluster.core.errors import ExitStatus, LightshipError, why

# Longer than the agent waits for the registry, so that the agent's own explanation arrives.
TIMEOUT_SECONDS = 25.0

# The kernel's struct timeval.
_TIMEVAL = struct.Struct("@ll")
# The agent is too busy for this user, or the registry for the agent: nothing was done.
_NO_TIME = ("busy", "too-many-requests")

_STATUS = {"registry-unreachable": ExitStatus.REGISTRY}

# A user's script may start many notebooks at once.
BUSY_SECONDS = 20.0


class AgentError(LightshipError):
    """The agent did not answer, or refused."""

    def __init__(self, sentence: str, status: ExitStatus, code: str = "") -> None:
        super().__init__(sentence, status)
        self.code = code


class AgentClient:
    """Sends single questions; the kernel tells the agent which user sent them."""

    def __init__(self, path: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout = timeout

    def ping(self) -> dict[str, Any]:
        """Ask whether the agent and the registry answer."""
        return self._ask(op="ping")

    def scheduler_fault(self) -> str:
        """The reason why the agent cannot ask for job states; empty if it can."""
        return str(self._ask(op="scheduler").get("fault", ""))

    def create(self, seconds: int, **told: str) -> dict[str, Any]:
        """Create a link that lasts for the seconds once its job runs; `told` has the texts that its pages may show."""
        return self._ask(op="create", seconds=seconds, **told)

    def set_job(self, name: str, job_id: str) -> dict[str, Any]:
        """Tell the registry which job will open the link."""
        return self._ask(op="job", name=name, job_id=job_id)

    def status(self, name: str) -> dict[str, Any]:
        """Ask for the status of the link and its job."""
        return self._ask(op="status", name=name)

    def cancel(self, name: str, reason: str) -> dict[str, Any]:
        """End the link."""
        return self._ask(op="cancel", name=name, reason=reason)

    def keys(self) -> dict[str, Any]:
        """Ask for the public keys with which the user's machines may open tunnels, and for the tunnels."""
        return self._ask(op="keys")

    def add_key(self, key: str) -> dict[str, Any]:
        """Add a key; the answer is the same as of `keys`."""
        return self._ask(op="key-add", key=key)

    def remove_key(self, fingerprint: str) -> dict[str, Any]:
        """Remove a key; the answer is the same as of `keys`."""
        return self._ask(op="key-remove", fingerprint=fingerprint)

    def _ask(self, **question: object) -> dict[str, Any]:
        reply = self._patiently(dict(question))
        if reply.get("ok") is True:
            return reply
        code = str(reply.get("code", ""))
        sentence = str(reply.get("error") or "The agent refused without a reason.")
        if code == "bad-request" and sentence.startswith("op must be "):
            raise AgentError(
                "The Lightship agent on this host is older than this command. Ask your administrators to restart it.",
                ExitStatus.AGENT,
                code,
            )
        raise AgentError(sentence, _STATUS.get(code, ExitStatus.REFUSED), code)

    def _patiently(self, question: dict[str, Any]) -> dict[str, Any]:
        """Repeat the question while the agent is busy: then it has not read the question."""
        deadline, pause = time.monotonic() + BUSY_SECONDS, 0.1
        while True:
            reply = self._exchange(question, deadline)
            if reply.get("code") not in _NO_TIME or time.monotonic() + pause > deadline:
                return reply
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _exchange(self, question: dict[str, Any], deadline: float) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                self._connect(connection, deadline)
                # A busy agent answers and closes the connection; the answer can still be read.
                with suppress(BrokenPipeError, ConnectionResetError):
                    write_line(connection, question, self._timeout)
                return read_line(connection, self._timeout, ANSWER_LIMIT)
        except (OSError, BadLine) as error:
            raise AgentError(
                f"The Lightship agent on this host does not answer ({self._path}: {_why(error)}). "
                "Log in to a login node of the cluster, or ask your administrators to start lightship-agent.",
                ExitStatus.AGENT,
            ) from error

    def _connect(self, connection: socket.socket, deadline: float) -> None:
        # If the queue is full, the kernel lets connect() wait in order of arrival. With Python's own timeout it would
        # fail at once.
        left = max(0.1, deadline - time.monotonic())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(left), int(left % 1 * 1e6)))
        connection.connect(str(self._path))


def _why(error: Exception) -> str:
    return "its queue is full" if isinstance(error, BlockingIOError) else why(error)
