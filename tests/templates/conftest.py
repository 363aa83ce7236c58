"""Render a role's template as Ansible does: its own engine, the role's defaults, variables and filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROLES = Path(__file__).resolve().parents[2] / "roles"


@pytest.fixture(scope="session")
def render() -> Callable[..., str]:
    """Return a function that renders `roles/<role>/templates/<template>` with a host's variables."""
    # Another module's tests may have done it.
    if not getattr(AnsibleCollectionConfig, "collection_finder", None):
        init_plugin_loader()
    for folder in ROLES.glob("*/filter_plugins"):
        filter_loader.add_directory(str(folder))

    def rendered(role: str, template: str, *, family: str = "Debian", **variables: object) -> str:
        loader = DataLoader()
        known: dict[str, object] = {"ansible_managed": "Ansible managed"}
        for name in ("defaults/main.yml", "vars/main.yml", f"vars/{family}.yml"):
            path = ROLES / role / name
            if path.exists():
                known |= loader.load_from_file(str(path), trusted_as_template=True) or {}
        known["__tests_template"] = str(ROLES / role / "templates" / template)
        templar = Templar(loader, variables={**known, **variables})
        # The lookup does what the module does, whitespace and backslashes included.
        return str(templar.template(trust_as_template("{{ lookup('ansible.builtin.template', __tests_template) }}")))

    return rendered
