"""The check that keeps defaults and argument specifications equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from check_arguments import main


def write_role(folder: Path, defaults: dict[str, object], options: dict[str, object]) -> None:
    for name, content in (
        ("defaults/main.yml", defaults),
        ("meta/argument_specs.yml", {"argument_specs": {"main": {"options": options}}}),
    ):
        path = folder / "lamp" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")


def option(**more: object) -> dict[str, object]:
    return {"type": "str", "description": "A colour.", **more}


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ({"lamp_colour": "red"}, {"lamp_colour": option(default="red")}),
        ({}, {"lamp_colour": option(required=True)}),
        (
            {"lamp_colour": "{{ lamp_other }}", "lamp_other": "red"},
            {"lamp_colour": option(), "lamp_other": option(default="red")},
        ),
    ],
)
def test_agreement_passes(tmp_path: Path, defaults: dict[str, object], options: dict[str, object]) -> None:
    write_role(tmp_path, defaults, options)
    assert main([str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("defaults", "options", "sentence"),
    [
        ({"lamp_colour": "red"}, {"lamp_colour": option(default="blue")}, "'red' in defaults, 'blue' in the spec"),
        (
            {"lamp_colour": "red", "lamp_size": 1},
            {"lamp_colour": option(default="red")},
            "lamp_size: in defaults, not in",
        ),
        ({}, {"lamp_colour": option()}, "is optional and missing"),
        ({"lamp_colour": "red"}, {"lamp_colour": option(required=True)}, "is required and has a default"),
        ({"colour": "red"}, {"colour": option(default="red")}, "must start with lamp_"),
        ({"lamp_colour": None}, {"lamp_colour": {}}, "has no type"),
        ({}, {}, "has no argument_specs"),
    ],
)
def test_disagreement_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    defaults: dict[str, object],
    options: dict[str, object],
    sentence: str,
) -> None:
    write_role(tmp_path, defaults, options)
    assert main([str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_folder_without_roles_fails(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1
