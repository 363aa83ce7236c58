"""Show sentences as Ansible's own warnings, which stand out and stop nothing.

- name: Warn of what may be meant so
warn:
sentences: ["The network 10.1.0.0/16 holds the proxy."]
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Change nothing and connect to nothing."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"sentences"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give Ansible the sentences."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result["changed"] = False
        if sentences := [str(sentence) for sentence in self._task.args["sentences"]]:
            result["warnings"] = sentences
        return result
