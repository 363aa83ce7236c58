"""The doctor's checks of the service's own files, as the service's user."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from lightship_registry.admin import host
from lightship_registry.admin.checks import Finding, ok, warning, wrong
from lightship_registry.admin.cluster_keys import keys_of
from lightship_registry.core import last_heard
from lightship_registry.core.clock import wall
from lightship_registry.core.db_errors import RUNBOOK, explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links import agent_faults
from lightship_registry.links.cuts import ORDER_SECONDS
from lightship_registry.pki.keystore import Keystore
from lightship_registry.store.schema import begin_writing, is_sqlite

# Agents ask every minute, after errors every five; the time is written to disk once a minute.
AGENT_SECONDS = 600
OFFSET_SECONDS = 10
PLAYBOOK = "Run site.yml."


def folders(settings: Settings) -> Iterator[Finding]:
    """Check that the folders exist, belong to the service, and are closed to others."""
    owner = host.owner_of(settings)
    known = settings.folders
    # The keys for sshd are no secret, but only the service may write them.
    closed = {known.state_dir: 0o027, known.routes_dir: 0o027, known.cut_dir: 0o077, known.tunnels_dir: 0o022}
    for path, forbidden in closed.items():
        yield _folder(path, forbidden, owner.st_uid)
    yield _closed(known.clusters_dir, 0o027)
    keys = [path for folder in Keystore(settings).folders for path in sorted(folder.glob("*.key"))]
    for path in [*keys, settings.store_file]:
        if path.exists():
            yield _closed(path, 0o077)


def _folder(path: Path, forbidden: int, owner: int) -> Finding:
    found = _closed(path, forbidden)
    if found.remedy:
        return found
    if path.stat().st_uid != owner or not os.access(path, os.W_OK):
        return wrong(f"{path} cannot be written by the service", PLAYBOOK)
    return found


def _closed(path: Path, forbidden: int) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return wrong(f"{path}: {error.strerror}", PLAYBOOK)
    if mode & forbidden:
        return wrong(f"{path} has mode {mode:04o}, open to others", f"chmod {mode & ~forbidden:04o} {path}")
    return ok(f"{path} is there, mode {mode:04o}")


def store(settings: Settings) -> Iterator[Finding]:
    """Check that the store opens, and that the route files agree with it."""
    try:
        database, parts = host.open_links(settings)
    except RegistryError as error:
        yield wrong(error.sentence, "Run site.yml; if that does not help, restore a backup.")
        return
    yield _sound(database.engine)
    try:
        differing = parts.reconciler.differing_routes()
    except (OSError, RegistryError) as error:
        yield wrong(f"the routes cannot be compared: {error}", PLAYBOOK)
        return
    finally:
        database.engine.dispose()
    remedy = "The service puts that right every 5 seconds while it runs: journalctl -u lightship-registry"
    said = f"{len(differing)} routes differ from the store, the first is {next(iter(differing), '')}"
    yield wrong(said, remedy) if differing else ok("the routes agree with the store")


def _sound(engine: Engine) -> Finding:
    """Check that the store is not damaged and can be written; `space` finds a full disk."""
    try:
        with engine.connect() as connection:
            if is_sqlite(engine.url):
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if verdict != "ok":
                    return wrong(f"the store is damaged: {verdict}", RUNBOOK)
            begin_writing(connection)
    except SQLAlchemyError as error:
        return wrong(f"the store cannot be written: {explain(error)}", RUNBOOK)
    return ok("the store is whole and can be written")


def orders(settings: Settings) -> Iterator[Finding]:
    """Find orders to cut that nobody carried out."""
    try:
        ages = [wall() - path.lstat().st_mtime for path in settings.folders.cut_dir.iterdir()]
    except OSError:
        return  # `folders` says so
    old = [age for age in ages if age > ORDER_SECONDS]
    remedy = "systemctl restart lightship-cut.path; journalctl -u lightship-cut"
    if old:
        yield wrong(f"{len(old)} ended links wait for their connections to be cut", remedy)
    else:
        yield ok("no cut is overdue")


def keys(settings: Settings) -> Iterator[Finding]:
    """Check that each cluster has a valid key, which others cannot read."""
    for cluster in sorted(settings.clusters):
        pair = keys_of(settings, cluster)
        if not pair.fingerprint():
            yield wrong(f"cluster {cluster} has no valid key, all its requests are refused", PLAYBOOK)
        else:
            found = _closed(pair.path, 0o027)
            yield found if found.remedy else ok(f"cluster {cluster} has a key")


def agents(settings: Settings) -> Iterator[Finding]:
    """Check when each cluster's agents last sent a request, and how far their clock is off."""
    heard, now = last_heard.load(last_heard.path_of(settings)), wall()
    faults = agent_faults.load(agent_faults.path_of(settings))
    remedy = "On its login nodes: systemctl status lightship-agent; journalctl -u lightship-agent"
    for cluster in sorted(settings.clusters):
        if cluster not in heard:
            yield warning(f"no agent of cluster {cluster} was ever heard", remedy)
            continue
        ago, offset = now - heard[cluster].when, heard[cluster].clock_offset
        said = f"an agent of cluster {cluster} was last heard {host.span(ago)} ago"
        yield ok(said) if ago < AGENT_SECONDS else wrong(f"{said}: nobody there can start a notebook", remedy)
        if abs(offset) > OFFSET_SECONDS:
            said = f"the clocks of cluster {cluster} and of this host differ by {abs(offset):.0f} seconds"
            yield warning(f"{said}, and 30 are too many", "Set both by NTP.")
        for host_name, fault in sorted(agent_faults.current(faults.get(cluster, {}), now).items()):
            said = f"the agent of {host_name}, cluster {cluster}, cannot ask how jobs are: {fault.sentence}"
            yield warning(said, "On that login node: journalctl -u lightship-agent, and start-jupyter doctor")
