"""`start-jupyter`: one command on a login node, one private link."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from lightship_cluster.config.options import COMMANDS
from lightship_cluster.core import output
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import visible
from lightship_cluster.login.command_line import Line, parse, parse_command

if TYPE_CHECKING:
    from lightship_cluster.config.settings import SiteSettings

NOTHING_LEFT = "\nstart-jupyter: stopped before the job was submitted; nothing is left."


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run the command; errors become exit statuses here."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A folder's name may have letters that the user's locale cannot encode.
        sys.stdout.reconfigure(errors="backslashreplace")
    # A closed terminal and SIGTERM end the command as Ctrl-C does, so nothing incomplete stays. Signals that the caller
    # ignores, as nohup does, stay ignored.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        return _command(words) if words and words[0] in COMMANDS else _start(parse(words))
    except (LightshipError, OSError) as error:
        told = _told(error)
        _say(told.sentence)
        return told.status
    finally:
        output.flush()


def _command(words: list[str]) -> ExitStatus:
    try:
        asked = parse_command(words)
        module = importlib.import_module(f"lightship_cluster.commands.{asked.command}")
        done: ExitStatus | Line = module.run(asked, load_settings)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return ExitStatus.OK  # the reader has read enough, as with `start-jupyter list | head -1`
    # A command may return a command line to start, as if it had been typed.
    return _start(done) if isinstance(done, Line) else done


def _start(line: Line) -> ExitStatus:
    try:
        # Imported late: --help and a mistyped flag must answer at once.
        from lightship_cluster.login.launch import Launch

        return Launch(load_settings(), line).run()
    except KeyboardInterrupt:
        print(NOTHING_LEFT, file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Unlike a list, a start is useless without a reader.
        _say("nobody reads what is printed, so there is no job and no link; nothing is left.")
        return ExitStatus.INTERRUPTED
    except (LightshipError, OSError) as error:
        if line.json:
            from lightship_cluster.login.progress import tell_failure

            tell_failure(_told(error))
        raise


def load_settings() -> SiteSettings:
    """The site's, the cluster's and the user's settings for this call."""
    from lightship_cluster.config.layers import user_file
    from lightship_cluster.config.settings import find_settings, load_site

    return load_site(find_settings(sys.argv[0]), user=user_file())


def _told(error: LightshipError | OSError) -> LightshipError:
    """The error for a person; an error of the system with its reason and its file."""
    if isinstance(error, LightshipError):
        return error
    return LightshipError(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")


def _say(sentence: str) -> None:
    # On a full disk the message is lost, but not the exit status.
    with suppress(OSError):
        print(f"start-jupyter: {visible(sentence)}", file=sys.stderr)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
