"""Print what a check refuses as its sentence, once, without the check's own source and condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = """
    name: refusals
    type: stdout
    short_description: Ansible's own output, with one line for what a check refuses
    description:
        - With -v everything is printed as Ansible does.
    extends_documentation_fragment:
      - default_callback
      - result_format_callback
    requirements:
      - set as stdout in configuration
"""

CHECKS = frozenset({"assert", "ansible.builtin.assert", "fail", "ansible.builtin.fail", "check_variables"})


class CallbackModule(Default):  # type: ignore[misc]
    """Ansible's own callback but for failed checks."""

    CALLBACK_NAME = "refusals"

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Of a check its sentence; what was checked in a loop has been told."""
        if ignore_errors or not self._refused(result):
            super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        """Of one turn of a check's loop its sentence."""
        if not self._refused(result):
            super().v2_runner_item_on_failed(result)

    def _refused(self, result: CallbackTaskResult) -> bool:
        # Before ansible-core 2.19 these have an underscore.
        task: Any = getattr(result, "task", None) or result._task
        said: Any = getattr(result, "result", None) or result._result
        if self._display.verbosity or task.action not in CHECKS:
            return False
        if task.loop and "results" in said:
            return True
        sentence = said.get("msg")
        # A condition that could not be computed is a fault of ours, or of a value of an unknown kind: show all of it.
        if not isinstance(sentence, str) or ("assert" in task.action and "assertion" not in said):
            return False
        # Login nodes share their variables, and so their faults.
        if sentence not in self._told:
            self._told.add(sentence)
            if self._last_task_banner != task._uuid:
                self._print_task_banner(task)
            host = getattr(result, "host", None) or result._host
            line = f"Refused: [{host.get_name()}] {sentence}"
            self._display.display(line, color=constants.COLOR_ERROR, stderr=self.get_option("display_failed_stderr"))
        return True
