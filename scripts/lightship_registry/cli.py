"""The command line, and the one place where errors become a sentence and an exit status."""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from lightship_registry import __version__
from lightship_registry.core import audit, settings
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.authorities import given_authority
from lightship_registry.prepare import prepare
from lightship_registry.server import serve

GIVEN = "on a new host, take the authority for links from standard input: its certificate and key in PEM"


class ExitStatus(enum.IntEnum):
    """What the exit status says; listed in README.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Run one command."""
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except RegistryError as error:
        print(f"lightship-registry: {error.sentence}", file=sys.stderr)
        return ExitStatus.SETTINGS if error.code == "settings" else ExitStatus.FAILED
    except SQLAlchemyError as error:
        print(f"lightship-registry: the store cannot be used: {explain(error)}", file=sys.stderr)
        return ExitStatus.FAILED
    return ExitStatus.OK


def _run(arguments: argparse.Namespace) -> None:
    loaded = settings.load(arguments.config)
    if arguments.command == "prepare":
        given = given_authority(sys.stdin.read()) if arguments.given else None
        for line in prepare(loaded, given=given):
            print(line)
    elif arguments.command == "serve":
        audit.set_up()
        audit.keep_in(loaded.audit_file)
        serve(loaded, arguments.uds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lightship-registry", description="Lightship's registration service.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("prepare", "make what is missing: folders, store, authorities, client certificate"),
        ("check", "say whether the configuration file is valid"),
        ("serve", "run on the socket from systemd"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, required=True, metavar="FILE")
        if name == "prepare":
            command.add_argument("--given", action="store_true", help=GIVEN)
        if name == "serve":
            command.add_argument("--uds", type=Path, metavar="PATH", help="make this socket instead, for a trial")
    return parser
