"""Run one role once more, with other variables, in the middle of a scenario's tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
INVENTORY = REPOSITORY / "tests" / "molecule" / "inventory"
PLAYBOOK = "[{hosts: %s, become: true, roles: [%s]}]\n"


def deploy(role: str, host: str, folder: Path, **variables: object) -> int:
    """Deploy a role onto a host and return how many tasks changed something.

    Args:
        role: the role's name.
        host: a host of the bed.
        folder: where the playbook may be written.
        variables: the role's variables.
    """
    playbook = folder / f"{role}.yml"
    playbook.write_text(PLAYBOOK % (host, role))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(INVENTORY), "-e", json.dumps(variables), str(playbook)],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible" / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    changed = re.search(rf"^{host} .*changed=(\d+)", done.stdout, re.MULTILINE)
    assert changed, done.stdout
    return int(changed[1])
