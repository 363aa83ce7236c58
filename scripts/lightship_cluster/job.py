"""One job's life on the node, from the claim of its link to the end of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from lightship_cluster import lease
from lightship_cluster.errors import ExitStatus
from lightship_cluster.link_folder import SECRET, TOKEN, LinkFolder, write_private
from lightship_cluster.node_keys import make_request
from lightship_cluster.notebook import Notebook, Place
from lightship_cluster.notebook_probe import pick_port
from lightship_cluster.registry import LinkRegistry
from lightship_cluster.transport import Transport, Unreachable

# Schedulers send their first signal at the end of the job's time, not long after it.
END_SECONDS = 90.0


class Job:
    """Holds what must be given back, so that `close` can do it whatever happened before."""

    def __init__(self, folder: LinkFolder, transport: Transport, private: Path, users_umask: int) -> None:
        self._folder = folder
        self._transport = transport
        self._private = private
        self._users_umask = users_umask
        self._registry = LinkRegistry(transport, str(folder.facts().get("name")), folder.read(SECRET).strip())
        self._notebook: Notebook | None = None
        self._expires = 0.0

    def run(self, command: Sequence[str], port: int) -> tuple[str, ExitStatus]:
        """Bring the link to life and keep it; why it ended, and the job's exit status."""
        claim = self._claim()
        self._notebook = Notebook(command, self._place(claim, port), self._users_umask)
        self._notebook.wait_ready()
        lease.publish(self._registry, self._notebook.place.port)
        print(f"The link {claim.origin} is open.", flush=True)
        return self._keep(self._notebook, claim)

    def why_stopped(self) -> str:
        """What the end of the job looks like from within."""
        at_the_end = self._expires and time.time() > self._expires - END_SECONDS
        return lease.TIME_OVER if at_the_end else "The job was stopped."

    def close(self, reason: str) -> None:
        """Close the link first, so that nobody is sent to a Jupyter that is shutting down."""
        if self._notebook:
            self._notebook.ask_to_stop()
        lease.end(self._registry, reason)
        if self._notebook:
            self._notebook.stop()
        self._folder.forget_secrets()

    def _claim(self) -> lease.Claim:
        request = make_request(self._private, self._private / "key.pem")
        claim = lease.claim(self._registry, request)
        self._expires = claim.expires
        for file, content in (
            ("certificate.pem", claim.certificate),
            ("proxy_ca.pem", claim.client_ca),
            ("token", self._folder.read(TOKEN)),
        ):
            write_private(self._private / file, content)
        return claim

    def _place(self, claim: lease.Claim, port: int) -> Place:
        try:
            address = self._transport.own_address()
        except Unreachable as error:
            raise lease.unreachable(str(error)) from error
        # The registry takes the target's address from the connection: it must be where Jupyter listens.
        self._transport.source = address
        token = self._folder.read(TOKEN)
        return Place(self._private, claim.host, address, pick_port(address, port), claim.certificate, token)

    def _keep(self, notebook: Notebook, claim: lease.Claim) -> tuple[str, ExitStatus]:
        heart = lease.Heart(self._registry, claim.expires)
        while True:
            status = notebook.wait(min(heart.pause(claim.heartbeat), claim.expires - time.time()))
            if status == 0:
                return "Jupyter was shut down.", ExitStatus.OK
            if status is not None:
                return f"Jupyter ended with exit status {status}.", ExitStatus.JUPYTER
            reason = heart.beat()
            if reason:
                return reason, ExitStatus.OK if reason == lease.TIME_OVER else ExitStatus.LINK_ENDED
