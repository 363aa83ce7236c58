from __future__ import annotations

from pathlib import Path

import pytest
import write_variable_tables

SPECS = """
argument_specs:
  main:
    options:
      proxy_port: {type: int, default: 443, description: The port. 0 for none.}
      proxy_mode: {type: str, choices: [a, b], default: a, description: "a|b, in
        two lines."}
      proxy_domain: {type: str, required: true, description: [The domain.]}
      proxy_list: {type: list, default: [], description: More.}
"""
DEFAULTS = "proxy_port: 443\nproxy_mode: a\nproxy_list: []\n"


@pytest.fixture
def role(tmp_path: Path) -> Path:
    for path, text in (("meta/argument_specs.yml", SPECS), ("defaults/main.yml", DEFAULTS)):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    return tmp_path


def test_each_variable_has_a_row_with_what_its_specification_says(role: Path) -> None:
    assert write_variable_tables.table(role, {"proxy_domain"})[2:] == [
        "| `proxy_port` | int | `443` | The port. 0 for none. |",
        "| `proxy_mode` | one of `a`, `b` | `a` | a\\|b, in two lines. |",
        "| `proxy_domain` | str | required, set by the playbooks | The domain. |",
        "| `proxy_list` | list | `[]` | More. |",
    ]


def test_only_the_table_after_the_mark_changes_and_again_changes_nothing() -> None:
    readme = f"# x\n\n| a | b |\n\n{write_variable_tables.MARK}\n| old | table |\n| --- | --- |\n\nAfter.\n"
    once = write_variable_tables.written(readme, ["| new |"])
    assert once == f"# x\n\n| a | b |\n\n{write_variable_tables.MARK}\n\n| new |\n\nAfter.\n"
    assert write_variable_tables.written(once, ["| new |"]) == once


def test_the_roles_readmes_are_what_it_writes() -> None:
    assert write_variable_tables.main(["--check"]) == 0
