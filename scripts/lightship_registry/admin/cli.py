"""The command line of `lightship`, and the one place where errors become a sentence and an exit status."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from lightship_registry import __version__
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError

CONFIG = "/etc/lightship/registry.toml"
# In the order of the help. Each command is a function in a module of the same name, which is imported when the command
# is called: `lightship cut` must start fast.
COMMANDS = (
    *("links", "show", "revoke", "clusters", "keys", "ssh-keys", "certificates", "authorities"),
    *("doctor", "backup", "restore", "repair", "cut"),
)
STATUS = {
    "settings": ExitStatus.SETTINGS,
    "no-such-link": ExitStatus.NOT_FOUND,
    "no-such-cluster": ExitStatus.NOT_FOUND,
    "no-such-key": ExitStatus.NOT_FOUND,
}


class LazyGroup(click.Group):
    """The commands, in the order of the help; each is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command from its module."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"lightship_registry.admin.commands.{name}"), name)
        return command


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "\b\nExamples:\n"
        "  lightship links                        what is live now\n"
        "  lightship revoke --user alice          end all links of alice\n"
        "  lightship doctor                       is everything in order?\n"
        "  lightship backup /root/lightship.tgz   one file with everything"
    ),
)
@click.option("--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True, metavar="FILE")
@click.version_option(__version__, prog_name="lightship")
@click.pass_context
def lightship(context: click.Context, config: Path) -> None:
    """See and end links, look after keys and backups, on the proxy host, as root.

    Each command tells more with --help.
    """
    context.obj = config


def _store_errors() -> tuple[type[Exception], ...]:
    # `lightship cut` runs without SQLAlchemy; a module that was not imported cannot have raised the error.
    loaded = sys.modules.get("sqlalchemy.exc")
    return (loaded.SQLAlchemyError,) if loaded else ()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    try:
        done = lightship.main(argv, prog_name="lightship", standalone_mode=False)
    except RegistryError as error:
        print(f"lightship: {error.sentence}", file=sys.stderr)
        return STATUS.get(error.code, ExitStatus.FAILED)
    except click.exceptions.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            again = "Run it again; `lightship doctor` says whether something is unfinished."
            print(f"lightship: interrupted. {again}", file=sys.stderr)
            return ExitStatus.FAILED
        print("lightship: nothing was changed, for want of a yes. A program gives --yes.", file=sys.stderr)
        return ExitStatus.DECLINED
    except click.ClickException as error:
        error.show()
        return ExitStatus.USAGE
    except _store_errors() as error:
        print(f"lightship: the store cannot be used: {explain(error)}", file=sys.stderr)
        return ExitStatus.FAILED
    except OSError as error:
        print(f"lightship: {error.filename or 'the command'}: {error.strerror or error}", file=sys.stderr)
        return ExitStatus.FAILED
    return done if isinstance(done, int) else ExitStatus.OK
