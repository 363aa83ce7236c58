"""The command line of `start-jupyter`."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence

from lightship_cluster import __version__
from lightship_cluster.durations import minutes_of

LONGEST_COMMAND = 500
# Nobody should type a secret here; whoever does must not find it on a page.
SECRET_LIKE = re.compile(r"[0-9A-Fa-f]{24,}|token=", re.IGNORECASE)
EPILOG = """\
examples:
  start-jupyter                           a notebook with all defaults
  start-jupyter -b slurm/jupyterlab.sh    JupyterLab instead
  start-jupyter -d ~ -p debug -t 30       in the debug partition, for half an hour
  start-jupyter -d ~ -A ddp363 -p compute -t 60
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The user's wishes; what is left out is None and the site's defaults fill it."""
    parser = argparse.ArgumentParser(
        prog="start-jupyter",
        description="Start Jupyter on a compute node and print its private link.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-p", "--partition", metavar="NAME", help="partition to wait for")
    parser.add_argument("-d", "--dir", metavar="FOLDER", help="top folder of the notebook (default: your home)")
    parser.add_argument("-A", "--account", metavar="NAME", help="project to charge (default: your scheduler's default)")
    parser.add_argument("-b", "--batch", metavar="SCRIPT", help="batch script of the site, or a path to your own")
    parser.add_argument("-t", "--time", type=_time, metavar="TIME", help="minutes or HH:MM:SS (default: 30 minutes)")
    parser.add_argument("-i", "--info", action="store_true", help="also print information about the job")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("bare_time", nargs="?", type=_time, metavar="TIME", help="the time once more, for -t")
    options = parser.parse_args(argv)
    if options.time and options.bare_time:
        parser.error("the time was given twice; give it with -t or at the end")
    options.typed = typed(sys.argv[1:] if argv is None else argv)
    options.minutes = options.time or options.bare_time
    return options


def typed(argv: Sequence[str]) -> str:
    """The command as the user typed it, for starting it again; nothing when it cannot be shown whole."""
    command = shlex.join(["start-jupyter", *argv])
    shown = command.isprintable() and len(command) <= LONGEST_COMMAND and not SECRET_LIKE.search(command)
    return command if shown else ""


def _time(text: str) -> int:
    try:
        return minutes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
