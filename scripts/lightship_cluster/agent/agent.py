"""`lightship-agent`: vouches to the registry for the users of a login node. Only the agent reads the cluster's key."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from lightship_cluster.agent.client import AgentClient
from lightship_cluster.agent.job_states import JobStates
from lightship_cluster.agent.job_watcher import JobWatcher
from lightship_cluster.agent.qstat_client import qstat_at
from lightship_cluster.agent.requests import Requests
from lightship_cluster.agent.server import AgentServer
from lightship_cluster.config.settings import AgentSettings, load_agent
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.registry_client.registry import SignedRegistry
from lightship_cluster.registry_client.signing import load_key
from lightship_cluster.registry_client.transport import Transport
from lightship_cluster.schedulers import find_scheduler
from lightship_cluster.schedulers.every import Every

CONFIG = Path("/etc/lightship/agent.ini")


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run the agent; errors become exit statuses here."""
    options = _parser().parse_args(argv)
    try:
        settings = load_agent(options.config)
        if options.check_scheduler:
            return _check_running_agent(settings.socket)
        key = load_key(settings.key_file)
        if not options.check:
            serve(settings, key)
    except LightshipError as error:
        print(error.sentence, file=sys.stderr)
        return error.status
    return ExitStatus.OK


def serve(settings: AgentSettings, key: bytes) -> None:
    """Serve users until the process is stopped."""
    qstat = qstat_at(settings.qstat_socket) if settings.qstat_socket else None
    scheduler = Every(lambda: find_scheduler(settings.scheduler, qstat))
    jobs = JobStates(scheduler, settings.poll_seconds)
    registry = SignedRegistry(Transport(settings.registry, settings.ca_file), settings.cluster, key)
    server = AgentServer(settings.socket, Requests(registry, jobs).answer)
    for loop in (jobs.run, jobs.check.run, JobWatcher(registry, scheduler, jobs.check).run):
        threading.Thread(target=loop, daemon=True).start()
    _tell_systemd("READY=1")
    print(f"Listening on {settings.socket} for cluster {settings.cluster}.", flush=True)
    server.serve()


def _check_running_agent(path: Path) -> ExitStatus:
    fault = AgentClient(path).scheduler_fault()
    if fault:
        raise LightshipError(fault, ExitStatus.SCHEDULER)
    print("The agent can ask the scheduler how jobs are.")
    return ExitStatus.OK


def _tell_systemd(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode("ascii"), address.replace("@", "\0", 1) if address[0] == "@" else address)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lightship-agent", description="Vouches to the registry for users.")
    parser.add_argument("--config", type=Path, default=CONFIG, help="its settings (%(default)s)")
    parser.add_argument("--check", action="store_true", help="only check the settings and the key")
    parser.add_argument(
        "--check-scheduler", action="store_true", help="only ask the running agent whether it can ask how jobs are"
    )
    return parser
