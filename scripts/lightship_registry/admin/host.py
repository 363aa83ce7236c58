"""What every command needs: the settings, the service's user, the store, and a journal that names the administrator."""

from __future__ import annotations

import logging
import logging.handlers
import os
import pwd
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from lightship_registry.core import audit, settings
from lightship_registry.core.clock import wall
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links.parts import LinkParts, build_links
from lightship_registry.prepare import become_owner
from lightship_registry.store.database import Database
from lightship_registry.store.migrate import require_current
from lightship_registry.store.schema import open_engine

JOURNAL = Path("/dev/log")
# Damage of SQLite's log undoes changes that are only in the log.
NOT_SETTLED = (
    "Done, but another program reads the store, so the change is only in its log. The service moves it into the store "
    "within seconds after that program ends; lightship doctor names the program."
)


def load(config: Path) -> Settings:
    """Load the settings, and set up the journal."""
    loaded = settings.load(config)
    set_up_journal()
    audit.keep_in(loaded.audit_file)
    who()
    return loaded


def set_up_journal() -> None:
    """Send audit lines to the system's journal, `journalctl -t lightship`, not to the terminal."""
    log = logging.getLogger("lightship")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler: logging.Handler = logging.StreamHandler()
    if JOURNAL.exists():
        handler = logging.handlers.SysLogHandler(str(JOURNAL), logging.handlers.SysLogHandler.LOG_DAEMON)
        handler.ident = "lightship: "
    log.handlers = [handler]


@cache
def who() -> str:
    """The administrator's user name, for the audit. Call it first before the process changes its user."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def require_root(loaded: Settings) -> None:
    """Refuse everyone but root and the service's user."""
    if os.geteuid() not in (0, owner_of(loaded).st_uid):
        raise RegistryError("Only root may do this. Run it again with sudo.")


def owner_of(loaded: Settings) -> os.stat_result:
    """The owner of the state folder: the service's user and group."""
    try:
        return loaded.folders.state_dir.stat()
    except OSError as error:
        sentence = f"Cannot look at {loaded.folders.state_dir}: {error.strerror}. Run site.yml, or this as root."
        raise RegistryError(sentence) from error


def become_service(loaded: Settings) -> None:
    """Become the service's user: it must be able to read new files, and a mistake must not harm the host."""
    require_root(loaded)
    os.umask(0o077)
    become_owner(loaded.folders.state_dir)


def open_store(loaded: Settings) -> Engine:
    """Open the store; an error says why it cannot be used."""
    try:
        require_current(loaded)
        return open_engine(loaded.store)
    except SQLAlchemyError as error:
        raise RegistryError(f"The store cannot be used: {explain(error)}") from error


def open_links(loaded: Settings) -> tuple[Database, LinkParts]:
    """Open the store, and build the parts that end links and compare routes."""
    database = Database(open_store(loaded))
    return database, build_links(loaded, database, wall)


def moment(seconds: float) -> str:
    """A time in the host's time zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"


def span(seconds: float) -> str:
    """A duration in at most two units."""
    minutes = max(0, int(seconds)) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def as_service(loaded: Settings, work: Callable[[], None]) -> None:
    """Run a part of root's work as the service's user, in a child process."""
    owner_of(loaded)
    as_owner(loaded.folders.state_dir, work)


def as_owner(folder: Path, work: Callable[[], None]) -> None:
    """Run a part of root's work as the owner of a folder, in a child process."""
    if os.geteuid() != 0 or folder.stat().st_uid == 0:
        work()
        return
    # Otherwise the child would print the buffer again.
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os._exit(_worked(folder, work))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RegistryError("The command failed, for the reason above.")


def record(loaded: Settings, event: audit.Event) -> None:
    """Record an event as the service's user: root must neither create the audit file nor follow a link there."""
    as_service(loaded, lambda: audit.record(event))


def _worked(folder: Path, work: Callable[[], None]) -> int:
    try:
        os.umask(0o077)
        become_owner(folder)
        work()
    except RegistryError as error:
        print(f"lightship: {error.sentence}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"lightship: {error.filename or 'the command'}: {error.strerror or error}", file=sys.stderr, flush=True)
    except Exception:  # nothing else prints it in the child
        traceback.print_exc()
    else:
        return 0
    finally:
        sys.stdout.flush()
    return 1
