"""`start-jupyter`: one command on a login node, one private link."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from lightship_cluster.command_line import Line, parse
from lightship_cluster.errors import ExitStatus, LightshipError


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run the command; the one place where an error becomes an exit status."""
    line = parse(argv)
    # A closed terminal and a polite kill end the command as Ctrl-C does: nothing half made stays.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _start(line)
    except LightshipError as error:
        print(f"start-jupyter: {error.sentence}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("\nstart-jupyter: stopped before the job was submitted; nothing is left.", file=sys.stderr)
        return ExitStatus.INTERRUPTED


def _start(line: Line) -> ExitStatus:
    # Imported late: --help and a mistyped flag must answer at once.
    from lightship_cluster.launch import Launch
    from lightship_cluster.layers import user_file
    from lightship_cluster.settings import find_settings, load_site

    return Launch(load_site(find_settings(sys.argv[0]), user=user_file()), line).run()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
