"""Runs Jupyter as a child process. It gets paths instead of secrets, and no option that the link decides."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightship_cluster.config.options import KERNELS
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import say
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.environments import Environment
from lightship_cluster.environments.base import Start
from lightship_cluster.job.child import START_SECONDS, Child
from lightship_cluster.job.jupyter_guard import MARK, decided
from lightship_cluster.job.probe import PortLostError, is_taken, port_taken, read_bound, serves
from lightship_cluster.job.workspace import node_disk

POLL_SECONDS = 0.2


# The modules that run in Jupyter's own process, and the file with its metadata.
_OURS, _METADATA = ("jupyter_config.py", "jupyter_guard.py", "jupyter_listing.py"), "lightship.json"

# Options without a class: Jupyter's short forms, also those of the old notebook.
_SHORT = re.compile(
    r"--(ip|port|port-retries|notebook-dir|root-dir|certfile|keyfile|client-ca|sock|sock-mode|token|transport)"
)
_LONG = re.compile(r"--([A-Za-z]\w*)\.(\w+)")
# Programs that would ask a JupyterHub for the login.
_OF_HUBS = ("labhub", "jupyter-labhub", "jupyterhub-singleuser")


def metadata(listen: ListenAddress, origin: str, transport: str, runtime: str) -> dict[str, Any]:
    """The metadata for Lightship's modules in Jupyter's own process: see jupyter_guard.py."""
    server = {
        "ip": listen.address,
        "port": listen.port,
        # Otherwise Jupyter takes the next port, and the published one belongs to another process.
        "port_retries": 0,
        # The link leads to the root of its host.
        "base_url": "/",
        "certfile": str(listen.file("certificate.pem")),
        "keyfile": str(listen.file("key.pem")),
        "client_ca": str(listen.file("proxy_ca.pem")),
        # Only requests for the link's own name are answered, against DNS rebinding.
        "allow_remote_access": False,
        "local_hostnames": [listen.host],
        # Safe because the server accepts only the web server's certificate.
        "trust_xheaders": True,
        "root_dir": str(Path.cwd()),
    }
    return {
        "server": server,
        "token_file": str(listen.token_file),
        "transport": transport,
        "url": f"{origin}/",
        "runtime": runtime,
    }


def variables(listen: ListenAddress, entered: Mapping[str, str]) -> dict[str, str]:
    """The environment's variables, with the paths for Jupyter; kernels inherit them, so they must hold no secret."""
    if entered.get("JUPYTER_NO_CONFIG"):
        say("JUPYTER_NO_CONFIG is not used: without any settings Jupyter would not be guarded by ours either.")
    kept = {key: value for key, value in entered.items() if key not in ("JUPYTER_TOKEN", "JUPYTER_NO_CONFIG")}
    configs = [str(listen.config.parent), *filter(None, [kept.get("JUPYTER_CONFIG_PATH")])]
    return {
        **kept,
        "JUPYTER_TOKEN_FILE": str(listen.token_file),
        "JUPYTER_RUNTIME_DIR": str(listen.runtime),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(configs),
    }


class Notebook(Child):
    """The running Jupyter."""

    def __init__(
        self,
        command: Sequence[str],
        listen: ListenAddress,
        origin: str,
        umask: int,
        environment: Environment,
        transport: str = KERNELS[0],
    ) -> None:
        self.listen = listen
        words = without_ours(command)
        entered = environment.enter(os.environ)
        told = metadata(listen, origin, transport, entered.get("JUPYTER_RUNTIME_DIR", ""))
        with node_disk():
            for folder in (listen.runtime, listen.config.parent):
                shutil.rmtree(folder, ignore_errors=True)  # left by a Jupyter that lost its port
                folder.mkdir(mode=0o700)
            for name in _OURS:
                listen.config.with_name(name).write_bytes(pkgutil.get_data(__package__, name) or b"")
            listen.config.with_name(_METADATA).write_text(json.dumps(told), "utf-8")
        super().__init__(environment.wrap(Start(words, variables(listen, entered)), listen), umask)

    def wait_ready(self) -> None:
        """Return when our Jupyter, and no other process, answers on the port."""
        while not self.late(START_SECONDS):
            if self.wait(POLL_SECONDS) is not None:
                raise self._ended_early()
            if self._settled() and serves(self.listen.address, self.listen.port, self.listen.certificate):
                return
        raise LightshipError(f"Jupyter did not answer within {START_SECONDS:.0f} s of its start.", ExitStatus.JUPYTER)

    def _settled(self) -> bool:
        bound = read_bound(self.listen.runtime)
        if bound is None:
            _require_no_old_server(self.listen.runtime)
            return False
        if not (self.listen.runtime / MARK).exists():
            raise LightshipError(
                "This Jupyter did not read the settings that guard a link, which JUPYTER_CONFIG_PATH names. Leave that "
                "variable as it is in what starts Jupyter, and set no JUPYTER_NO_CONFIG there.",
                ExitStatus.JUPYTER,
            )
        if bound.port != self.listen.port:
            raise LightshipError(
                f"Jupyter chose port {bound.port} and not {self.listen.port}, so the link was not opened. Start again.",
                ExitStatus.PORT,
            )
        if bound.token != self.listen.token:
            raise LightshipError(
                "Your Jupyter has another token than the link or none at all, so the link would not be guarded by its "
                "own. Remove from your Jupyter settings (in ~/.jupyter) whatever sets one, and start again.",
                ExitStatus.JUPYTER,
            )
        return True

    def _ended_early(self) -> LightshipError:
        if is_taken(self.listen.address, self.listen.port):
            return port_taken(self.listen.port, PortLostError)
        status = self.wait(0)
        return LightshipError(
            f"Jupyter ended with exit status {status} before it answered. Its own last lines say why.",
            ExitStatus.JUPYTER,
        )


def _require_no_old_server(runtime: Path) -> None:
    if next(runtime.glob("nbserver-*.json"), None):
        raise LightshipError(
            "This Jupyter is from before jupyter_server, and a link cannot be guarded with it. Update to Notebook 7 or "
            "JupyterLab 3, or newer.",
            ExitStatus.JUPYTER,
        )


def without_ours(command: Sequence[str]) -> tuple[str, ...]:
    """The command without options that the link decides: another value would end Jupyter at once."""
    if any(Path(word).name in _OF_HUBS for word in command[:2]):
        raise LightshipError(
            f"{' '.join(command[:2])} serves a JupyterHub alone. Write `jupyter lab` into the batch script.",
            ExitStatus.JUPYTER,
        )
    kept: list[str] = []
    skip = False
    for word in command:
        if skip and not word.startswith("-"):
            skip = False
            continue
        name, mark, _ = word.partition("=")
        long = _LONG.fullmatch(name)
        if _SHORT.fullmatch(name) or (long and long[2] in decided(long[1])):
            say(f"The option {name} of the batch script is not used: it is the link's to decide{_instead(name)}.")
            skip = not mark
        else:
            skip = False
            kept.append(word)
    return tuple(kept)


def _instead(name: str) -> str:
    if name.endswith(("dir", "_dir")):
        return ". The folder is what start-jupyter -d says"
    return ". It is what start-jupyter --kernels says" if name.endswith("transport") else ""
