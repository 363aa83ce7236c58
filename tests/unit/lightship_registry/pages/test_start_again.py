from __future__ import annotations

import dataclasses
import shlex

import pytest

from lightship_cluster.login.command_line import parse
from lightship_registry.core.records import Cause, Link
from lightship_registry.pages import start_again
from unit.lightship_registry.testbed import Testbed


@pytest.fixture
def link(testbed: Testbed) -> Link:
    found = testbed.store.find(testbed.create(seconds=3600)["name"])
    assert found
    return found


def after(link: Link, command: str, minutes: int = 60, cause: Cause = Cause.TIME_LIMIT) -> str:
    over = dataclasses.replace(link, command=command, seconds=minutes * 60, cause=cause)
    return start_again.of(over, 72).command


@pytest.mark.parametrize(
    ("typed", "longer"),
    [
        ("start-jupyter -p gpu -t 60", "start-jupyter -p gpu -t 120"),
        ("start-jupyter --time 60 -p gpu", "start-jupyter --time 120 -p gpu"),
        ("start-jupyter --time=1:00:00", "start-jupyter --time=120"),
        ("start-jupyter -t60 --title 'a b'", "start-jupyter -t120 --title 'a b'"),
        ("start-jupyter -p gpu 60", "start-jupyter -p gpu 120"),
        ("start-jupyter 1h", "start-jupyter 120"),
        ("start-jupyter -p gpu 1:00", "start-jupyter -p gpu 120"),
        ("start-jupyter -p gpu 0h60", "start-jupyter -p gpu 120"),
        ("start-jupyter '1 hour'", "start-jupyter 120"),
        ("start-jupyter -t 1h -m 16G", "start-jupyter -t 120 -m 16G"),
        ("start-jupyter -m 500M", "start-jupyter -m 500M -t 120"),
        ("start-jupyter -t 30 -p gpu -t 60", "start-jupyter -t 30 -p gpu -t 120"),
        ("start-jupyter", "start-jupyter -t 120"),
        ("", "start-jupyter -t 120"),
        ("start-jupyter -p gpu -- --qos long", "start-jupyter -p gpu -t 120 -- --qos long"),
        (
            "start-jupyter --app 'python -m http.server {port}'",
            "start-jupyter --app 'python -m http.server {port}' -t 120",
        ),
    ],
)
def test_after_the_time_was_over_a_longer_one_is_asked_for(link: Link, typed: str, longer: str) -> None:
    assert after(link, typed) == longer
    assert parse(shlex.split(longer)[1:]).given["time"] == 120


@pytest.mark.parametrize(
    "typed",
    ["start-jupyter -c 4", "start-jupyter -q 1h", "start-jupyter -t 60 -- --time=60", "start-jupyter -- -t 60", "'"],
)
def test_where_it_is_not_clear_which_word_is_the_time_the_command_stays_and_the_page_says_so(
    link: Link, typed: str
) -> None:
    over = dataclasses.replace(link, command=typed, seconds=3600, cause=Cause.TIME_LIMIT)
    again = start_again.of(over, 72)
    assert (again.command, "`-t 120`" in again.remark) == (typed, True)


@pytest.mark.parametrize(
    ("minutes", "given"),
    [(30, "60"), (61, "2:02:00"), (24 * 60, "48:00:00"), (40 * 60, "72:00:00"), (71 * 60, "72:00:00")],
)
def test_the_longer_time_is_one_that_start_jupyter_reads_and_the_site_allows(
    link: Link, minutes: int, given: str
) -> None:
    command = after(link, "start-jupyter -t 1", minutes)
    assert command == f"start-jupyter -t {given}"
    asked = parse(command.split()[1:])
    assert minutes < asked.given["time"] <= 72 * 60


def test_more_than_the_longest_is_not_asked_for(link: Link) -> None:
    over = dataclasses.replace(link, command="start-jupyter -t 72:00:00", seconds=72 * 3600, cause=Cause.TIME_LIMIT)
    again = start_again.of(over, 72)
    assert (again.command, "longest time that there is here, 72 hours" in again.remark) == (over.command, True)


@pytest.mark.parametrize(
    ("typed", "larger", "mebibytes"),
    [
        ("start-jupyter -p gpu -m 16G -t 60", "start-jupyter -p gpu -m 32G -t 60", 32 * 1024),
        ("start-jupyter --memory 500M", "start-jupyter --memory 1000M", 1000),
        ("start-jupyter --memory=1.5GB 60", "start-jupyter --memory=3GB 60", 3 * 1024),
        ("start-jupyter -m1.25g", "start-jupyter -m2.5g", 2560),
        ("start-jupyter -m 500 --title 'x -m 1G'", "start-jupyter -m 1000 --title 'x -m 1G'", 1000),
        ("start-jupyter -m '16 GiB' -- --qos long", "start-jupyter -m 32GiB -- --qos long", 32 * 1024),
        ("start-jupyter -m 8G --preset big -m 16G", "start-jupyter -m 8G --preset big -m 32G", 32 * 1024),
        ("start-jupyter -m 100T", "start-jupyter -m 200T", 200 * 1024**2),
    ],
)
def test_after_the_memory_was_too_little_twice_as_much_is_asked_for(
    link: Link, typed: str, larger: str, mebibytes: int
) -> None:
    over = dataclasses.replace(link, command=typed, cause=Cause.OUT_OF_MEMORY)
    again = start_again.of(over, 72)
    assert again.command == larger
    assert parse(shlex.split(larger)[1:]).given["memory"] == mebibytes
    assert "twice as much memory as before, `-m " in again.remark


@pytest.mark.parametrize(
    "typed", ["start-jupyter", "start-jupyter -p gpu 60", "start-jupyter -- --mem=16G", "start-jupyter -m", "'"]
)
def test_where_it_is_not_known_how_much_it_had_the_command_stays(link: Link, typed: str) -> None:
    over = dataclasses.replace(link, command=typed, cause=Cause.OUT_OF_MEMORY)
    assert start_again.of(over, 72) == start_again.Again(typed)


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.TIME_LIMIT}))
def test_after_every_other_end_it_is_the_command_as_it_was_typed(link: Link, cause: Cause) -> None:
    assert after(link, "start-jupyter -t 60 -p gpu", cause=cause) == "start-jupyter -t 60 -p gpu"
