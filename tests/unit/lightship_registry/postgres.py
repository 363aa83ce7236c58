"""A real PostgreSQL for a run of the tests: the distribution's, in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

DATABASE = "lightship"
ADMINISTRATOR = "postgres"
# What a test writes need not outlive the machine.
QUICK = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "listen_addresses="]


class Cluster:
    """The running server."""

    def __init__(self, socket_folder: Path) -> None:
        self.folder = socket_folder
        self._numbers = itertools.count(1)

    def connect(self, user: str = ADMINISTRATOR) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user=user, dbname=DATABASE, autocommit=True)

    def fresh(self) -> str:
        """The URL of an empty schema: that of a new user, whose tables go there without being told."""
        user = f"test{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE ROLE {user} LOGIN")
            connection.execute(f"CREATE SCHEMA AUTHORIZATION {user}")
        return f"postgresql+psycopg://{user}:not-asked-for@/{DATABASE}?host={self.folder}"

    def cut_off(self, url: str) -> int:
        """End all connections of that URL's user, as a restart of the server does; how many they were."""
        with self.connect() as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [user_of(url)]
            )
            return ended.rowcount

    @contextlib.contextmanager
    def locked_out(self, url: str) -> Iterator[None]:
        """A time in which that URL's user gets no connection."""
        with self.connect() as connection:
            connection.execute(f"ALTER ROLE {user_of(url)} NOLOGIN")
            self.cut_off(url)
            yield
            connection.execute(f"ALTER ROLE {user_of(url)} LOGIN")


def user_of(url: str) -> str:
    return url.split("//")[1].split(":")[0]


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="lightship-pg-"))
    try:
        switch = as_somebody(folder)
        data = folder / "data"
        kind = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={ADMINISTRATOR}"]
        subprocess.run(
            [*switch, programs / "initdb", *kind, f"--pgdata={data}"],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
        options = [argument for option in QUICK for argument in ("-c", option)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*switch, programs / "postgres", "-D", data, "-k", folder, *options], stdout=log, stderr=log
            )
        try:
            yield _answering(server, folder)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def find_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.fail(
            "PostgreSQL is not installed, and the registry must be tested on it. Run: make setup", pytrace=False
        )
    return Path(on_path).parent


def as_somebody(folder: Path) -> list[str]:
    """What to put before a command: PostgreSQL refuses to run as root, and must not outlive the tests."""
    switch = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return switch
    user = next(user for user in pwd.getpwall() if user.pw_name in (ADMINISTRATOR, "nobody"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [*switch, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _answering(server: subprocess.Popen[bytes], folder: Path) -> Cluster:
    deadline = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(host=str(folder), user=ADMINISTRATOR, dbname="template1", autocommit=True) as first:
                first.execute(f"CREATE DATABASE {DATABASE}")
            return Cluster(folder)
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not start:\n{(folder / 'log').read_text()}", pytrace=False)
            time.sleep(0.05)
