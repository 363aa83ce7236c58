"""Check every variable of a host against the roles' argument specifications, before anything connects to it.

Ansible checks a role's specification when the role's turn comes, one fault at a time, after earlier roles have changed
the host; and nobody checks for a misspelt name. This action reads the same specifications, all at once, and says what
to do about each fault.

    - name: Check every variable
      check_variables:
        roles: {proxy: [dns_zone, certificates], clusters: [cluster_tools]}
        site: {lightship_domain: {type: str, required: true, description: ...}}
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

Options: TypeAlias = Mapping[str, Mapping[str, Any]]

# Names of a site's own that resemble ours less than this are left alone.
RESEMBLANCE = 0.9

# What to do about a value of another kind.
KINDS = {
    "int": "set it to a whole number",
    "bool": "set it to true or false",
    "list": "correct its entries",
    "dict": "correct its entries",
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Fail with one sentence for each variable of this host that is missing, misspelt or of the wrong kind."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"roles", "site"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the host that the task runs for."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        groups: Mapping[str, list[str]] = self._task.args["roles"]
        site: Options = self._task.args["site"]
        specs = {role: self._options(role) for roles in groups.values() for role in roles}
        mine = [role for group, roles in groups.items() if group in self._vars["group_names"] for role in roles]
        # The roles' variables are made from the site's, so that a fault there would be told again for each of them.
        faults = [*self._strangers(specs, site), *self._faults(site)] or [
            fault for role in mine for fault in self._faults(specs[role])
        ]
        if faults:
            # The host's name is told beside it. Hosts of a group share their variables, and so their faults.
            raise AnsibleActionFail(" ".join(dict.fromkeys(faults)))
        result["changed"] = False
        return result

    def _options(self, role: str) -> Options:
        """Return the options that a role declares in its `meta/argument_specs.yml`."""
        name = str(Path(role) / "meta" / "argument_specs.yml")
        path = self._loader.path_dwim_relative(self._vars["playbook_dir"], "roles", name)
        spec = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        options: Options = spec["argument_specs"]["main"]["options"]
        return options

    def _strangers(self, specs: Mapping[str, Options], site: Options) -> Iterator[str]:
        """Yield a sentence for each variable that looks like one of ours and is none."""
        known = {*site, *(name for options in specs.values() for name in options)}
        for name in sorted(self._vars.keys() - known):
            near = difflib.get_close_matches(name, known, n=1, cutoff=RESEMBLANCE)
            hint = difflib.get_close_matches(name, known, n=1)
            role = next((role for role in specs if name.startswith(f"{role}_")), None)
            if role or near:
                remedy = f"Did you mean {hint[0]}?" if hint else f"The variables of {role} are listed in its README."
                yield f"{name} is not a variable of Lightship. {remedy}"

    def _faults(self, options: Options) -> Iterator[str]:
        """Yield a sentence for each option whose value is missing or of the wrong kind."""
        for name, option in options.items():
            if name not in self._vars:
                if option.get("required"):
                    yield f"Set {name} in the inventory: {describe(option)}"
                continue
            try:
                value = self._templar.template(self._vars[name])
            except AnsibleError as error:
                yield f"{name} cannot be computed: {getattr(error, 'message', error)}"
                continue
            yield from faults_of(name, option, value)


def faults_of(name: str, option: Mapping[str, Any], value: object) -> Iterator[str]:
    """Yield what is wrong with one value, in a sentence that never shows a secret."""
    kind = option.get("type", "str")
    shown = f"{name} is wrong" if option.get("no_log") else f"{name} is {json.dumps(value, default=str)}"
    if value in ("", None, [], {}):
        if option.get("required"):
            yield f"Set {name} in the inventory, where it is empty: {describe(option)}"
    elif option.get("choices") and value not in option["choices"]:
        choices = ", ".join(filter(None, map(str, option["choices"])))
        empty = ", or leave it empty" if "" in option["choices"] else ""
        yield f"{shown}; set it to one of {choices}{empty}. {describe(option)}"
    elif kind == "list" and isinstance(value, str):
        # The specification would split it at commas, but the role would still be handed the text.
        yield f'{shown}; write it as a list, ["one", "two"]. {describe(option)}'
    elif kind == "dict" and isinstance(value, (str, list)) and not option.get("no_log"):
        yield f'{shown}; write it as {{"name": "value"}}. {describe(option)}'
    elif option.get("elements") == "dict" and isinstance(value, list) and not all(map(_is_dict, value)):
        yield f'{shown}; write each entry as {{"name": "value"}}. {describe(option)}'
    elif kind in ("str", "path") and isinstance(value, (list, dict)):
        yield f"{shown}; set it to one text. {describe(option)}"
    elif errors := ArgumentSpecValidator({name: {**option, "required": False}}).validate({name: value}).error_messages:
        detail = f" ({'; '.join(errors)})" if kind in ("list", "dict") and not option.get("no_log") else ""
        yield f"{shown}; {KINDS.get(kind, f'set it to a value of type {kind}')}{detail}. {describe(option)}"


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def describe(option: Mapping[str, Any]) -> str:
    """Return the description of an option as one line of text that ends with a full stop."""
    description = option.get("description", "")
    lines = [description] if isinstance(description, str) else list(description)
    text = " ".join(" ".join(lines).split())
    return text if text.endswith((".", "?", "!")) else f"{text}."
