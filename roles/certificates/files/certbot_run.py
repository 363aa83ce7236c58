"""Run certbot in this process and keep what happened: its log has the errors as objects, and the authority's answers.

Nothing has to be read from sentences that the next version may word otherwise.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from certbot_outcome import Outcome

# certbot writes into these. With less room it would get a certificate and could not keep it, at each run another one.
FOLDERS = ("/etc/letsencrypt", "/var/log/letsencrypt", "/var/lib/letsencrypt")
ROOM = 256 * 1024
# certbot's function that logs how a script ended.
HOOK_REPORT = "report_executed_command"


def see_room(folder: str) -> None:
    """Raise an error if a file of a certificate's size does not fit into the folder, also by a quota."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, ROOM)
        except OSError as error:
            raise OSError(error.errno, error.strerror, folder) from error


@contextmanager
def turn(settings: str) -> Iterator[None]:
    """Wait until no other program of the role works with certbot, which would refuse a second one at once."""
    folder = os.open(Path(settings).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


class Listener(logging.Handler):
    """Collects from certbot's log what tells why it failed."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(logging.DEBUG)
        self._outcome = outcome

    def emit(self, record: logging.LogRecord) -> None:
        """Take an error, or an answer of the authority."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        if record.name == "acme.client" and str(record.msg).startswith("Received response"):
            self._outcome.answer(*arguments)
        elif record.funcName == HOOK_REPORT:
            self._outcome.hook_statuses += [each for each in arguments if isinstance(each, int)]
        elif record.levelno >= logging.ERROR:
            self._outcome.said.append(record.getMessage())
            self._outcome.errors += [each for each in arguments if isinstance(each, BaseException)]


def run_certbot(arguments: list[str], writer: str) -> Outcome:
    """Run certbot, whose plugin `writer` writes the challenge, and return what happened."""
    outcome = Outcome(writer=writer)
    listener = Listener(outcome)
    logging.getLogger().addHandler(listener)
    main: Any = importlib.import_module("certbot.main").main
    try:
        outcome.status = main(arguments) or 0
    except SystemExit as end:
        outcome.status = end.code or 0
    except Exception as error:  # whatever it is has to be told
        outcome.status = 1
        outcome.errors.append(error)
        outcome.said.append(f"{error}" or type(error).__name__)
        print("".join(traceback.format_exception_only(error)), file=sys.stderr)
    finally:
        logging.getLogger().removeHandler(listener)
    return outcome
