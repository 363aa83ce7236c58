#!/opt/certbot/bin/python -B
"""Run `certbot renew` and say in one sentence why it failed.

It runs certbot in its own process, with the Python of certbot's venv: certbot's log then has the errors as objects and
the authority's answers, and nothing has to be read from sentences that the next version may word otherwise.
"""

from __future__ import annotations

import argparse
import configparser
import importlib
import logging
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import certificate_failure
import certificate_files
import certificate_settings
from certbot_outcome import Outcome, explain
from certificate_failure import FailureError, report

PROVE = "certificates-deployed"
# certbot writes into these. With less room it would get a certificate and could not keep it, at each run another one.
FOLDERS = ("/etc/letsencrypt", "/var/log/letsencrypt", "/var/lib/letsencrypt")
ROOM = 256 * 1024


def see_room(folder: str) -> None:
    """Raise an error if a file of a certificate's size does not fit into the folder, also by a quota."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, ROOM)
        except OSError as error:
            raise OSError(error.errno, error.strerror, folder) from error


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
        elif record.levelno >= logging.ERROR:
            self._outcome.said.append(record.getMessage())
            self._outcome.errors += [each for each in arguments if isinstance(each, BaseException)]


def run_certbot(arguments: list[str]) -> Outcome:
    """Run certbot and return what happened."""
    outcome = Outcome()
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


def renew(section: configparser.SectionProxy, more: list[str]) -> int:
    """Renew the certificate if it is due."""
    lineage, domain = Path(section["lineage"]), section["domain"]
    certificate_failure.forget()
    for folder in FOLDERS:
        see_room(folder)
    certificate_files.mend(lineage)
    if certificate_files.fault(certificate_files.in_place(lineage), needs_chain=True):
        # certbot cannot judge such files; that program goes back to the version before.
        return subprocess.run([Path(__file__).with_name(PROVE)], check=False).returncode
    command = ["renew", "--config", section["config"], "--cert-name", domain, "--no-random-sleep-on-renew", *more]
    failure = explain(run_certbot(command), domain)
    if failure:
        raise failure
    return 0


def main(argv: list[str]) -> int:
    """Return 0 when all is well, 1 when a person has to look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--settings", default=certificate_settings.SETTINGS, help="settings file (default: %(default)s)"
    )
    parser.add_argument("more", nargs="*", help="more words for certbot, after --")
    options = parser.parse_args(argv)
    try:
        return renew(certificate_settings.read(options.settings), options.more)
    except (FailureError, OSError) as error:
        return report("certificates-renew", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
