"""One shell on a host that runs command after command: a connection of ssh for each takes longer than most tests."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Self

from testinfra.host import Host


class Shell:
    """A shell of root's, open until the block ends."""

    def __init__(self, host: Host) -> None:
        """Connect in the way that testinfra does."""
        backend = host.backend
        self._ssh = subprocess.Popen(
            ["ssh", "-F", backend.ssh_config, backend.host.name, "bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Return the shell itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self._ssh.communicate()

    def run(self, command: str) -> None:
        """Run a command, and fail if it does. What it prints goes to the test's own standard error."""
        assert self._ssh.stdin
        assert self._ssh.stdout
        self._ssh.stdin.write(f"( {command} ) </dev/null >&2; echo $?\n")
        self._ssh.stdin.flush()
        status = self._ssh.stdout.readline().strip()
        assert status == "0", f"{command}: status {status or 'unknown, for the connection ended'}"
