"""The guide and the commands have the same options, settings and commands."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from lightship_cluster.config import clusters, layers, settings
from lightship_cluster.config.ini import Form, read_ini
from lightship_cluster.config.options import COMMANDS, OPTIONS, SETTINGS
from lightship_cluster.login import progress
from lightship_cluster.login.checks import CHECKS
from unit.lightship_cluster.core.test_errors import GUIDE

FLAG = re.compile(r"(?<=`)--?[a-zA-Z][a-z-]*|(?<=`)--(?= )")


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_option_is_told_of_and_no_other() -> None:
    rows = [row for row in section("Options").splitlines() if row.startswith("| `")]
    told = {flag for row in rows for flag in FLAG.findall(row.split("|")[1])}

    assert told == {flag for option in OPTIONS for flag in option.flags} | {"-h", "--help", "--version"}


def test_every_command_is_told_of_with_its_options() -> None:
    rows = {row.split("|")[1].strip(): row for row in section("Commands").splitlines() if row.startswith("| `")}
    shown = {
        f"`start-jupyter {name}{' [NAME]' if command.takes_name else ''}`": command
        for name, command in COMMANDS.items()
    }

    assert rows.keys() == shown.keys()
    for heading, command in shown.items():
        assert set(FLAG.findall(rows[heading])) == {flag for option in command.options for flag in option.flags}


def test_every_check_of_the_doctor_is_told_of_in_its_order() -> None:
    told = re.search(r"The doctor checks (.*?), in\s", section("Commands"), re.DOTALL)

    assert told
    assert re.findall(r"`([a-z]+)`", told[1]) == [name for name, _ in CHECKS]


def test_every_key_of_the_settings_is_told_of_with_its_option() -> None:
    table = "\n".join(row for row in section("Settings").splitlines() if row.startswith("| `"))
    told = dict(re.findall(r"\| `([a-z_]+)` \| (?:what follows )?`(--?[a-zA-Z-]*)`", table))

    assert told.keys() == SETTINGS.keys()
    assert [key for key, flag in told.items() if flag not in SETTINGS[key].flags] == []


@pytest.mark.parametrize(
    ("title", "number", "form"),
    [
        ("Settings", 0, layers.USERS),
        ("For administrators", 0, settings.SITE),
        ("For administrators", 1, clusters.FORM),
        ("For administrators", 2, settings.AGENT),
    ],
)
def test_the_files_that_are_shown_can_be_used(tmp_path: Path, title: str, number: int, form: Form) -> None:
    shown = re.findall(r"```ini\n(.*?)```", section(title), re.DOTALL)[number]
    (tmp_path / "shown.ini").write_text(shown)
    sections = read_ini(tmp_path / "shown.ini", form)

    if "defaults" in sections:
        assert layers.layer_of(tmp_path / "shown.ini", sections)
    # Every key that a section of the site's or the cluster's own may have is shown.
    for name in {"lightship", "cluster", "agent"} & form.known.keys():
        parser = configparser.ConfigParser(inline_comment_prefixes=(";",))
        parser.read_string(shown)
        assert set(parser[name]) == set(form.known[name])


def test_every_event_is_told_of() -> None:
    told = set(re.findall(r"^\| `([a-z]+)` \|", section("For programs"), re.MULTILINE))
    source = Path(progress.__file__).read_text() + Path(progress.__file__).with_name("start_jupyter.py").read_text()

    assert told == set(re.findall(r"tell\(\"([a-z]+)\"", source))
