"""Jupyter as a child process: it is told paths only."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightship_cluster.child import START_SECONDS, Child
from lightship_cluster.environments import Environment
from lightship_cluster.environments.base import Start
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.node_workspace import node_disk
from lightship_cluster.notebook_probe import is_taken, port_taken, read_bound, serves
from lightship_cluster.place import Place

LOOK_SECONDS = 0.2


def options(place: Place) -> list[str]:
    """What Jupyter is told. After the user's own options, for the last one counts."""
    return [
        "--no-browser",
        f"--ServerApp.ip={place.address}",
        f"--ServerApp.port={place.port}",
        # Otherwise Jupyter moves to the next port, and the published one is somebody else's.
        "--ServerApp.port_retries=0",
        # The link leads to the root of its host.
        "--ServerApp.base_url=/",
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


class Notebook(Child):
    """The running Jupyter."""

    def __init__(self, command: Sequence[str], place: Place, umask: int, environment: Environment) -> None:
        self.place = place
        with node_disk():
            place.runtime.mkdir(mode=0o700)
            place.config.parent.mkdir(mode=0o700)
            place.config.write_bytes(pkgutil.get_data(__package__, place.config.name) or b"")
        entered = variables(place, environment.enter(os.environ))
        super().__init__(environment.wrap(Start((*command, *options(place)), entered), place), umask)

    def wait_ready(self) -> None:
        """Return when our Jupyter, and nobody else, answers on the port."""
        while not self.late(START_SECONDS):
            if self.wait(LOOK_SECONDS) is not None:
                raise self._ended_early()
            if self._settled() and serves(self.place.address, self.place.port, self.place.certificate):
                return
        raise LightshipError(f"Jupyter did not answer within {START_SECONDS:.0f} s of its start.", ExitStatus.JUPYTER)

    def _settled(self) -> bool:
        bound = read_bound(self.place.runtime)
        if bound is None:
            _require_no_old_server(self.place.runtime)
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
