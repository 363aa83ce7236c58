"""`start-jupyter`: one command on a login node, one private link."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from lightship_cluster.command_line import Asked, Line, parse, parse_command
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.options import COMMANDS

if TYPE_CHECKING:
    from lightship_cluster.settings import SiteSettings

NOTHING_LEFT = "\nstart-jupyter: stopped before the job was submitted; nothing is left."


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run the command; the one place where an error becomes an exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A folder's name may have letters that the user's locale does not know.
        sys.stdout.reconfigure(errors="backslashreplace")
    asked = parse_command(words) if words and words[0] in COMMANDS else None
    line = None if asked else parse(words)
    # A closed terminal and a polite kill end the command as Ctrl-C does: nothing half made stays.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _run(asked) if asked else _start(line or Line({}))
    except LightshipError as error:
        if line and line.json:
            _tell_failure(error)
        print(f"start-jupyter: {error.sentence}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("" if asked else NOTHING_LEFT, file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read has enough, as with `start-jupyter list | head -1`; Python must not complain at its end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.OK


def load_settings() -> SiteSettings:
    """The site's, the cluster's and the user's settings for this call."""
    from lightship_cluster.layers import user_file
    from lightship_cluster.settings import find_settings, load_site

    return load_site(find_settings(sys.argv[0]), user=user_file())


def _start(line: Line) -> ExitStatus:
    # Imported late: --help and a mistyped flag must answer at once.
    from lightship_cluster.launch import Launch

    return Launch(load_settings(), line).run()


def _tell_failure(error: LightshipError) -> None:
    from lightship_cluster.progress import tell

    tell("failed", status=int(error.status), code=error.status.name, words=error.sentence)


def _run(asked: Asked) -> ExitStatus:
    module = importlib.import_module(f"lightship_cluster.commands.{asked.command}")
    status: ExitStatus = module.run(asked, load_settings)
    return status


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
