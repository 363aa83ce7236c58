"""`register-jupyter`: runs in the job on the compute node and opens the link."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

from lightship_cluster.config.settings import load_site
from lightship_cluster.core import output
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import LinkFolder
from lightship_cluster.job.endings import UNEXPECTED
from lightship_cluster.job.job import Job
from lightship_cluster.job.workspace import workspace
from lightship_cluster.registry_client.transport import Transport

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """A signal of the scheduler ends the job."""


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run the job; errors become exit statuses here."""
    arguments = _arguments(list(sys.argv[1:] if argv is None else argv))
    users_umask = os.umask(0o077)
    # Before there is a notebook, a warning of its end is of no use.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        return _bring_to_life(arguments, users_umask)
    except LightshipError as error:
        _say(error.sentence)
        return error.status
    except Stopped:
        return ExitStatus.INTERRUPTED
    finally:
        output.flush()


def _bring_to_life(arguments: argparse.Namespace, users_umask: int) -> ExitStatus:
    folder = LinkFolder(arguments.folder)
    folder.require_private()
    metadata = folder.metadata()
    settings = load_site(Path(str(metadata.get("config"))), cluster=str(metadata.get("cluster") or ""))
    command = arguments.command or [str(word) for word in metadata.get("app") or ()]
    transport = Transport(settings.registry, settings.ca_file)
    job = Job(folder, transport, users_umask, settings.notebook_networks, settings.centre)
    signal.signal(signal.SIGUSR1, lambda *_: job.end_is_near())
    ending = UNEXPECTED
    # A program that is shutting down still needs the files of the workspace, so they are removed last.
    with ExitStack() as last:
        try:
            private = last.enter_context(workspace())
            ending = job.run(private, command, arguments.port, app=arguments.app)
        except LightshipError as error:
            ending = job.failed(error)
            raise
        except Stopped:
            ending = job.stopped()
            _say(ending.reason)
            raise
        finally:
            _ignore_signals()
            job.close(ending)
    _say(ending.reason)
    return ending.status


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _ignore_signals() -> None:
    # A second signal must not interrupt the clean-up; the scheduler sends KILL if it takes too long.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(sentence: str) -> None:
    # On a full disk the message is lost, but not the exit status.
    with suppress(OSError):
        print(f"register-jupyter: {sentence}", file=sys.stderr, flush=True)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="register-jupyter",
        usage="register-jupyter [--port PORT] FOLDER -- COMMAND...\n"
        "       register-jupyter [--port PORT] --app FOLDER [-- COMMAND...]",
        description="Starts Jupyter, or another web program, in a job and opens its link. Batch scripts call it; users "
        "need not.",
    )
    parser.add_argument("--port", type=int, default=0, help="a port of your own choice (otherwise: any that is free)")
    parser.add_argument("folder", type=Path, help="the link's folder, made by start-jupyter")
    parser.add_argument(
        "--app", action="store_true", help="any other web program: the command, or else what start-jupyter was told"
    )
    # Split by hand: argparse would also drop a later "--" that belongs to the command.
    split = argv.index("--") if "--" in argv else len(argv)
    arguments = parser.parse_args(argv[:split])
    arguments.command = argv[split + 1 :]
    if not arguments.command and not arguments.app:
        parser.error("after -- comes the command that starts Jupyter, for example: -- jupyter lab")
    return arguments
