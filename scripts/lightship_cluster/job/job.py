"""One job on the compute node, from the claim of its link to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lightship_cluster import environments
from lightship_cluster.config.options import KERNELS
from lightship_cluster.core import own_addresses
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.job_log import say
from lightship_cluster.core.link_folder import LINK_TOKEN, SECRET, TOKEN, LinkFolder, write_private
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.core.own_addresses import Network
from lightship_cluster.core.paths import is_folder
from lightship_cluster.job import endings, lease
from lightship_cluster.job.app import App
from lightship_cluster.job.child import Child
from lightship_cluster.job.end_warning import EndWarning
from lightship_cluster.job.endings import Ending
from lightship_cluster.job.job_location import job_location
from lightship_cluster.job.jupyter import Notebook
from lightship_cluster.job.keys import make_request
from lightship_cluster.job.memory_kills import MemoryKills
from lightship_cluster.job.probe import PortLostError, pick_port
from lightship_cluster.job.workspace import node_disk
from lightship_cluster.registry_client.registry import LinkRegistry
from lightship_cluster.registry_client.transport import Transport
from lightship_protocol.centre import UNNAMED, Centre

POLL_SECONDS = 1.0
# A port is free when it is chosen, and Jupyter takes it seconds later.
OTHER_PORTS = 3


class Job:
    """One job. It keeps what must be released, so that `close` can release it after any failure."""

    def __init__(
        self,
        folder: LinkFolder,
        transport: Transport,
        users_umask: int,
        networks: Sequence[Network] = (),
        centre: Centre = UNNAMED,
    ) -> None:
        self._folder = folder
        self._transport = transport
        self._networks = networks
        self._centre = centre
        self._users_umask = users_umask
        self._registry = LinkRegistry(transport, str(folder.metadata().get("name")), folder.read(SECRET).strip())
        self._program: Notebook | App | None = None
        self._expires = 0.0
        self._memory = MemoryKills()
        self._warning = EndWarning()

    def run(self, private: Path, command: Sequence[str], port: int, *, app: bool) -> Ending:
        """Open the link and keep it open; return how it ended. Jupyter checks the token itself, other programs do not.

        Args:
            private: the job's folder on the node's own disk.
            command: the command to start.
            port: where it must listen; 0 for any port.
            app: whether the command is another program than Jupyter.
        """
        metadata = self._folder.metadata()
        _require_folder(str(metadata.get("folder") or ""))
        claim = self._claim(private)
        environment = environments.from_metadata(metadata)
        kernels = str(metadata.get("kernels") or KERNELS[0])

        def start(listen: ListenAddress) -> Notebook | App:
            if app:
                return App(command, listen, claim.origin, self._users_umask, environment, self._centre)
            return Notebook(command, listen, claim.origin, self._users_umask, environment, kernels)

        program = self._ready(start, self._place(private, claim, port), 0 if port else OTHER_PORTS)
        lease.publish(self._registry, program.listen.address, program.listen.port)
        say(f"The link {claim.origin} is open.")
        return self._keep(program, claim)

    def stopped(self) -> Ending:
        """The ending after a signal of the scheduler."""
        return endings.of_signal(self._expires)

    def failed(self, error: LightshipError) -> Ending:
        """The ending after an error."""
        return endings.of_error(error, self._program.wait(0) if self._program else None, self._memory)

    def end_is_near(self) -> None:
        """Warn of the end: the scheduler's warning signal came."""
        self._warning.signalled()

    def close(self, ending: Ending) -> None:
        """End the link before the program, so that no request reaches a program that is shutting down."""
        if self._program:
            self._program.ask_to_stop()
        lease.end(self._registry, ending.cause, ending.reason, endings.tail(self._folder, ending))
        if self._program:
            self._program.stop()
        self._folder.forget_secrets()

    def _ready(
        self, start: Callable[[ListenAddress], Notebook | App], listen: ListenAddress, other_ports: int
    ) -> Notebook | App:
        """Start the program and wait for its answer; if another process took its port, try another one."""
        self._program = program = start(listen)
        try:
            program.wait_ready()
        except PortLostError:
            if not other_ports:
                raise
            program.stop()
            other = replace(listen, port=pick_port(listen.address))
            say(f"Port {listen.port} was taken by another process; trying port {other.port}.")
            return self._ready(start, other, other_ports - 1)
        return program

    def _claim(self, private: Path) -> lease.Claim:
        with node_disk():
            request = make_request(private, private / "key.pem")
        claim = lease.claim(self._registry, request, job_location())
        self._expires = claim.expires
        with node_disk():
            write_private(private / "certificate.pem", claim.certificate)
            write_private(private / "proxy_ca.pem", claim.client_ca)
        return claim

    def _place(self, private: Path, claim: lease.Claim, port: int) -> ListenAddress:
        # The registry takes the target's address from the connection, and the claim's connection has worked.
        address = own_addresses.pick(self._networks, self._transport.dialer.own)
        self._transport.dialer.source = address
        return ListenAddress(
            private,
            claim.host,
            address,
            pick_port(address, port),
            claim.certificate,
            self._token(),
            self._folder.path / TOKEN,
        )

    def _token(self) -> str:
        token = self._folder.read(TOKEN)
        if not LINK_TOKEN.fullmatch(token):
            # Without one, Jupyter lets everybody in.
            file = self._folder.path / TOKEN
            raise LightshipError(f"{file} holds no token any more. Start again.", ExitStatus.LINK_FOLDER)
        return token

    def _keep(self, program: Child, claim: lease.Claim) -> Ending:
        heart = lease.Heart(self._registry, claim.expires)
        self._warning.expect(claim.expires)
        while True:
            status = self._wait(program, min(heart.pause(claim.heartbeat), claim.expires - time.time()))
            if status is not None:
                return endings.of_exit(status, self._memory, program.subject.program)
            self._warning.warn_if_due(program.process, program.subject.noun)
            reason = heart.beat()
            if reason:
                return endings.of_heart(reason)

    def _wait(self, program: Child, seconds: float) -> int | None:
        # In small steps: a warning must not wait for the next heartbeat.
        end = time.monotonic() + seconds
        while True:
            left = min(end - time.monotonic(), self._warning.pause())
            status = program.wait(min(left, POLL_SECONDS))
            program.check()
            if status is not None or left <= 0:
                return status


def _require_folder(folder: str) -> None:
    # If a node lacks the folder, schedulers start the job in /tmp, which is shared by all users. Another working folder
    # than the given one is no error: a user's own batch script may have changed to it.
    if folder and not (is_folder(Path(folder)) and os.access(folder, os.X_OK)):
        raise LightshipError(
            f"This node does not see the folder {folder}, which start-jupyter was given. Choose another with -d.",
            ExitStatus.FOLDER,
        )
