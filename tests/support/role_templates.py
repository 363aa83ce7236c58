"""A role's template, rendered as Ansible does: its own engine, the role's defaults, variables and filters."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROLES = Path(__file__).resolve().parents[2] / "roles"


@cache
def load_plugins() -> None:
    """Make the roles' own filters known to Ansible, once in a process."""
    # Another module may have done the first.
    if not getattr(AnsibleCollectionConfig, "collection_finder", None):
        init_plugin_loader()
    for folder in ROLES.glob("*/filter_plugins"):
        filter_loader.add_directory(str(folder))


def render(role: str, template: str, *, family: str = "Debian", **variables: object) -> str:
    """Return `roles/<role>/templates/<template>` for a host with these variables.

    Args:
        role: the role's name.
        template: the path below the role's templates.
        family: the host's family of distributions, whose variable file is read.
        variables: those of the site and the host, in place of the role's own.
    """
    folder = str(ROLES / role / "templates" / template)
    # The lookup does what the module does, whitespace and backslashes included.
    return str(
        _evaluate("{{ lookup('ansible.builtin.template', __template) }}", role, family, __template=folder, **variables)
    )


def value(role: str, name: str, *, family: str = "Debian", **variables: object) -> object:
    """Return one of a role's variables for a host with these variables."""
    return _evaluate(f"{{{{ {name} }}}}", role, family, **variables)


def _evaluate(text: str, role: str, family: str, **variables: object) -> object:
    found: object = _templar(role, family, **variables).template(trust_as_template(text))
    return found


def _templar(role: str, family: str, **variables: object) -> Templar:
    load_plugins()
    loader, folder = DataLoader(), ROLES / role
    known: dict[str, object] = {"ansible_managed": "Ansible managed", "role_path": str(folder)}
    # Where templates and files that others name are looked for.
    known["ansible_search_path"] = [str(folder)]
    for name in ("defaults/main.yml", "vars/main.yml", f"vars/{family}.yml"):
        path = folder / name
        if path.exists():
            known |= loader.load_from_file(str(path), trusted_as_template=True) or {}
    return Templar(loader, variables={**known, **variables})


def refusals(role: str, *, family: str = "Debian", **variables: object) -> list[str]:
    """Return what the checks of `roles/<role>/tasks/preflight.yml` say of a host with these variables."""
    load_plugins()
    tasks = DataLoader().load_from_file(str(ROLES / role / "tasks" / "preflight.yml"), trusted_as_template=True)
    templar = _templar(role, family, inventory_hostname="proxy", ansible_facts={"os_family": family}, **variables)
    said = []
    for task in tasks:
        check = task.get("ansible.builtin.assert", {"that": []})
        if all(map(templar.evaluate_conditional, _listed(task.get("when", [])))) and not all(
            map(templar.evaluate_conditional, _listed(check["that"]))
        ):
            said.append(" ".join(str(templar.template(check["fail_msg"])).split()))
    return said


def _listed(conditions: list[object] | str | bool) -> list[object]:
    return conditions if isinstance(conditions, list) else [conditions]
