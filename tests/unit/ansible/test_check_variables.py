from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PLUGIN = Path(__file__).parents[3] / "ansible" / "action_plugins" / "check_variables.py"


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_variables", PLUGIN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ({"type": "int"}, 443),
        ({"type": "int"}, "443"),
        ({"type": "bool"}, "yes"),
        ({"type": "str"}, "text"),
        ({"type": "str"}, ""),
        ({"type": "list", "elements": "str"}, ["one"]),
        ({"type": "list"}, []),
        ({"type": "raw", "required": True}, "203.0.113.10"),
        ({"type": "raw", "required": True}, ["203.0.113.10", "2001:db8::1"]),
        ({"type": "str", "choices": ["auto", "podman"]}, "auto"),
    ],
)
def test_a_right_value_is_passed(plugin: ModuleType, option: dict[str, object], value: object) -> None:
    assert list(plugin.faults_of("x", option, value)) == []


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ({"type": "str", "required": True}, "", "Set x in the inventory, where it is empty: What it is."),
        ({"type": "list", "required": True}, [], "Set x in the inventory, where it is empty: What it is."),
        ({"type": "int"}, "many", 'x is "many"; set it to a whole number. What it is.'),
        ({"type": "bool"}, "perhaps", 'x is "perhaps"; set it to true or false. What it is.'),
        ({"type": "list"}, "a,b", 'x is "a,b"; write it as a list, ["one", "two"]. What it is.'),
        ({"type": "dict"}, [1], 'x is [1]; write it as {"name": "value"}. What it is.'),
        ({"type": "list", "elements": "dict"}, ["a"], 'x is ["a"]; write each entry as {"name": "value"}. What it is.'),
        (
            {"type": "list", "elements": "dict", "options": {"key": {}, "listen": {"required": True}}},
            [{"key": "a"}],
            'x is [{"key": "a"}]; correct its entries (missing required arguments: listen found in x). What it is.',
        ),
        (
            {"type": "str", "choices": ["", "a", "b"]},
            "c",
            'x is "c"; set it to one of a, b, or leave it empty. What it is.',
        ),
        ({"type": "path"}, ["/a"], 'x is ["/a"]; set it to one text. What it is.'),
        ({"type": "str", "choices": ["a", "b"]}, "c", 'x is "c"; set it to one of a, b. What it is.'),
    ],
)
def test_a_wrong_value_is_answered_with_the_remedy(
    plugin: ModuleType, option: dict[str, object], value: object, sentence: str
) -> None:
    assert list(plugin.faults_of("x", {**option, "description": "What it is"}, value)) == [sentence]


def test_a_secret_is_never_shown(plugin: ModuleType) -> None:
    option = {"type": "dict", "no_log": True, "description": "A key."}
    (sentence,) = plugin.faults_of("x", option, "hunter2 is the key")
    assert sentence == "x is wrong; correct its entries. A key."
