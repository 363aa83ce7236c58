"""The inventory that a site copies, against what the roles really take."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
ANSIBLE = REPOSITORY / "ansible"
TEXT = (REPOSITORY / "inventory.example").read_text()
SHOWN = re.findall(r"^#?([a-z][a-z0-9_]*)=(.*)$", TEXT, re.MULTILINE)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def specifications() -> dict[str, dict[str, Any]]:
    """Return every variable that a site may set, with its specification."""
    known: dict[str, dict[str, Any]] = read(ANSIBLE / "site_variables.yml")
    for path in (REPOSITORY / "roles").glob("*/meta/argument_specs.yml"):
        known |= read(path)["argument_specs"]["main"]["options"]
    return known


def test_every_variable_it_shows_exists() -> None:
    assert {name for name, _ in SHOWN} - {"ansible_user"} <= specifications().keys()


def test_it_shows_every_variable_that_a_site_must_set() -> None:
    wired = read(ANSIBLE / "group_vars" / "all.yml").keys()
    required = {name for name, spec in specifications().items() if spec.get("required")}
    decided = set(re.findall(r"^([a-z][a-z0-9_]*)=", TEXT, re.MULTILINE))
    assert required - wired <= decided


@pytest.mark.parametrize(("name", "text"), re.findall(r"^#((?!ansible_)[a-z][a-z0-9_]*)=(.*)$", TEXT, re.MULTILINE))
def test_what_it_comments_out_is_the_default(name: str, text: str) -> None:
    spec = specifications()[name]
    if text.startswith("["):
        assert isinstance(ast.literal_eval(text), list)
    elif "default" in spec:
        assert text == (str(spec["default"]).lower() if spec["type"] == "bool" else str(spec["default"]))


def test_the_checks_come_first_and_know_every_role() -> None:
    checks = read(ANSIBLE / "validate.yml")
    checked = next(play["vars"]["lightship_roles"] for play in checks if "vars" in play)
    site = [play["import_playbook"] for play in read(ANSIBLE / "site.yml")]
    assert site[0] == "validate.yml"
    plays = [play for name in site[1:] for play in read(ANSIBLE / name)]
    assert checked == {play["hosts"]: [role["role"] for role in play["roles"]] for play in plays}
