"""Checks that the defaults and the argument specification of every role have the same variables.

A public variable must be typed in `meta/argument_specs.yml`. It stands in `defaults/main.yml` with the very same
default, or it is required there and has no default at all.

Usage: check_arguments.py [ROLES_FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file, an empty one for a missing or empty file."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def disagreements(role: Path) -> list[str]:
    """Return a sentence for each variable of `role` whose default and specification differ."""
    defaults = load(role / "defaults" / "main.yml")
    specs = load(role / "meta" / "argument_specs.yml").get("argument_specs", {}).get("main", {}).get("options", {})
    if not specs:
        return [f"{role.name}: meta/argument_specs.yml has no argument_specs.main.options; type every variable there."]
    found = [f"{name}: must start with {role.name}_." for name in {*defaults, *specs} if not owned(role, name)]
    untyped = defaults.keys() - specs.keys()
    found += [f"{name}: in defaults, not in the specification; add its type." for name in untyped]
    for name, spec in specs.items():
        found += compare(name, spec, defaults)
    return [f"{role.name}: {sentence}" for sentence in sorted(found)]


def owned(role: Path, name: str) -> bool:
    """Tell whether a variable carries its role's name."""
    return name.startswith(f"{role.name}_")


def compare(name: str, spec: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """Return what is wrong between one variable's specification and its default."""
    found = [] if "type" in spec else [f"{name}: has no type."]
    found += [] if spec.get("description") else [f"{name}: has no description."]
    if spec.get("required"):
        return found + ([f"{name}: is required and has a default; keep one of the two."] if name in defaults else [])
    if name not in defaults:
        return [*found, f"{name}: is optional and missing in defaults."]
    computed = isinstance(defaults[name], str) and "{{" in defaults[name]
    if not computed and defaults[name] != spec.get("default"):
        found.append(f"{name}: {defaults[name]!r} in defaults, {spec.get('default')!r} in the specification.")
    return found


def main(argv: list[str]) -> int:
    """Print every disagreement; return 1 when there is one, 0 when there is none."""
    folder = Path(argv[0]) if argv else REPOSITORY / "roles"
    roles = sorted(path for path in folder.iterdir() if (path / "meta").is_dir())
    found = [sentence for role in roles for sentence in disagreements(role)]
    for sentence in found:
        print(sentence, file=sys.stderr)
    print(f"{len(roles)} roles checked, {len(found)} disagreements between defaults and argument specifications")
    return 1 if found or not roles else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
