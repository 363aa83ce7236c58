"""Jupyter as a child process: started with paths only, stopped with everything that it started."""

from __future__ import annotations

import ctypes
import os
import pkgutil
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lightship_cluster.environments import Environment
from lightship_cluster.environments.base import Start
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.notebook_probe import is_taken, port_taken, read_bound, serves
from lightship_cluster.place import Place
from lightship_cluster.programs import run_program

START_SECONDS = 600.0
STOP_SECONDS = 10.0
CLEANUP_SECONDS = 30.0
LOOK_SECONDS = 0.2

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def options(place: Place) -> list[str]:
    """What Jupyter is told. After the user's own options, for the last one counts."""
    return [
        "--no-browser",
        f"--ServerApp.ip={place.address}",
        f"--ServerApp.port={place.port}",
        # Otherwise Jupyter moves to the next port, and the published one is somebody else's.
        "--ServerApp.port_retries=0",
        f"--ServerApp.certfile={place.file('certificate.pem')}",
        f"--ServerApp.keyfile={place.file('key.pem')}",
        f"--ServerApp.client_ca={place.file('proxy_ca.pem')}",
        # Only the link's own name is answered, whatever name a browser was tricked into using.
        "--ServerApp.allow_remote_access=False",
        f"--ServerApp.local_hostnames={place.host}",
        # Safe because none but the proxy has a certificate that this server lets in.
        "--ServerApp.trust_xheaders=True",
        f"--ServerApp.root_dir={Path.cwd()}",
        # Kernels speak through files of the private folder, not through ports of the node.
        "--KernelManager.transport=ipc",
    ]


def variables(place: Place, entered: Mapping[str, str]) -> dict[str, str]:
    """An environment's variables with three paths; kernels inherit them, so they must hold no secret."""
    kept = {key: value for key, value in entered.items() if key != "JUPYTER_TOKEN"}
    configs = [str(place.config.parent), *filter(None, [kept.get("JUPYTER_CONFIG_PATH")])]
    return {
        **kept,
        "JUPYTER_TOKEN_FILE": str(place.token_file),
        "JUPYTER_RUNTIME_DIR": str(place.runtime),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(configs),
    }


def _end_with_parent() -> None:
    # If this job's own process is killed, Jupyter must not go on without anybody to watch over it.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def guard(group: int, start: Start) -> subprocess.Popen[bytes]:
    """A process that ends the group when this one is no more, however it ended.

    The kernel's own way (above) is lost where a container's runtime changes its privileges, as all of them do.
    """
    script = (pkgutil.get_data(__package__, "guard.sh") or b"").decode("utf-8")
    return subprocess.Popen(
        ["/bin/bash", "-c", script, "lightship-guard", str(group), *start.cleanup],
        env=dict(start.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Notebook:
    """The running Jupyter."""

    def __init__(self, command: Sequence[str], place: Place, umask: int, environment: Environment) -> None:
        self.place = place
        place.runtime.mkdir(mode=0o700)
        place.config.parent.mkdir(mode=0o700)
        place.config.write_bytes(pkgutil.get_data(__package__, place.config.name) or b"")
        entered = variables(place, environment.enter(os.environ))
        self._start = environment.wrap(Start((*command, *options(place)), entered), place)
        program = self._start.command[0]
        if not shutil.which(program, path=self._start.variables.get("PATH", os.defpath)):
            raise LightshipError(
                f"There is no {program!r} on this node's PATH. Activate your environment before start-jupyter, "
                "name it with --venv, --conda, --module or --image, or load it in a batch script of your own.",
                ExitStatus.JUPYTER,
            )
        try:
            # A session of its own, to be stopped as a whole; the user's umask, for the files are the user's.
            self._process = subprocess.Popen(
                self._start.command,
                env=dict(self._start.variables),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                umask=umask,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no other threads
            )
        except OSError as error:
            raise LightshipError(f"Cannot start {program!r}: {error.strerror}.", ExitStatus.JUPYTER) from error
        self._guard = guard(self._process.pid, self._start)

    @property
    def process(self) -> int:
        """The number of Jupyter's process."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when our Jupyter, and nobody else, answers on the port."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.wait(LOOK_SECONDS) is not None:
                raise self._ended_early()
            if self._settled() and serves(self.place.address, self.place.port, self.place.certificate):
                return
        raise LightshipError(f"Jupyter did not answer within {START_SECONDS:.0f} s of its start.", ExitStatus.JUPYTER)

    def wait(self, seconds: float) -> int | None:
        """Jupyter's exit status, or None when it still runs after the seconds."""
        try:
            return self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def ask_to_stop(self) -> None:
        """Let Jupyter shut its kernels down."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop Jupyter and what is left of its process group."""
        if self.wait(0) is None:
            self.ask_to_stop()
            self.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._dismiss_guard()
        if self._start.cleanup:
            with suppress(OSError, subprocess.TimeoutExpired):
                run_program(self._start.cleanup, self._start.variables, CLEANUP_SECONDS)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # all of it has ended

    def _dismiss_guard(self) -> None:
        # Killed while it waits, it does nothing more.
        self._guard.kill()
        self._guard.communicate()

    def _settled(self) -> bool:
        bound = read_bound(self.place.runtime)
        if bound is None:
            return False
        if bound.port != self.place.port:
            raise LightshipError(
                f"Jupyter chose port {bound.port} instead of {self.place.port}. "
                "Remove ServerApp.port from the batch script and from your Jupyter settings.",
                ExitStatus.PORT,
            )
        if bound.token != self.place.token:
            raise LightshipError(
                "Your Jupyter settings (in ~/.jupyter) set a token of their own or none at all, so the link would not "
                "be guarded by its own. Remove ServerApp.token and IdentityProvider.token there and start again.",
                ExitStatus.JUPYTER,
            )
        return True

    def _ended_early(self) -> LightshipError:
        if is_taken(self.place.address, self.place.port):
            return port_taken(self.place.port)
        status = self._process.returncode
        return LightshipError(
            f"Jupyter ended with exit status {status} before it answered. Its own last lines say why.",
            ExitStatus.JUPYTER,
        )
