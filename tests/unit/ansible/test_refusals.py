"""What an administrator reads in the terminal when a check refuses a value, by the real ansible-playbook."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from unit.ansible.plugins import REPOSITORY

ANSIBLE = REPOSITORY / "ansible"
PLAY = """\
- hosts: one:two
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Warn
      warn: {sentences: "{{ ['It is odd.'] if odd | default(false) else [] }}"}
    - name: Check
      ansible.builtin.assert: {that: number > 3, fail_msg: 'number is {{ number }}. Set it above 3.', quiet: true}
    - name: Check each
      ansible.builtin.assert: {that: item > 3, fail_msg: 'list has {{ item }}. Take it out.', quiet: true}
      loop: "{{ list }}"
"""


def play(folder: Path, *arguments: str) -> str:
    """Run the play on two hosts that share their variables, and return what stands in the terminal."""
    (folder / "play.yml").write_text(PLAY)
    (folder / "inventory").write_text("[all]\none\ntwo\n[all:vars]\nansible_connection=local\nnumber=4\nlist=[4]\n")
    (folder / "action_plugins").symlink_to(ANSIBLE / "action_plugins")
    return run(folder, "-i", str(folder / "inventory"), str(folder / "play.yml"), *arguments)


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "COLUMNS": "80"}
    done = subprocess.run(
        ["ansible-playbook", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_refusal_is_one_sentence_without_our_files(tmp_path: Path) -> None:
    said = play(tmp_path, "-e", '{"number": 2, "odd": true}')
    assert said.count("number is 2. Set it above 3.") == 1
    # By whichever host is first.
    assert re.search(r"^Refused: \[(one|two)\] number is 2\. Set it above 3\.$", said, re.MULTILINE)
    assert "[WARNING]: It is odd.\n" in said
    for ours in ("Origin:", "play.yml", "number > 3", "assertion", "evaluated_to", "Task failed"):
        assert ours not in said, said


def test_each_fault_of_a_loop_is_told_once(tmp_path: Path) -> None:
    said = play(tmp_path, "-e", '{"list": [1, 4, 2]}')
    assert re.findall(r"list has \d", said) == ["list has 1", "list has 2"]
    for ours in ("Origin:", "assertion", "One or more items failed"):
        assert ours not in said, said


def test_a_condition_that_cannot_be_computed_is_shown_whole(tmp_path: Path) -> None:
    said = play(tmp_path, "-e", "number=many")
    assert "Origin:" in said
    assert "Refused:" not in said


def test_production_with_an_authority_of_the_clusters_own_is_refused_before_any_host_is_asked(tmp_path: Path) -> None:
    text = (REPOSITORY / "inventory.example").read_text()
    text = text.replace("certificates_ca=staging\n", "certificates_ca=production\n")
    text = text.replace("#cluster_tools_registry_ca=\n", "cluster_tools_registry_ca=/etc/hostname\n")
    (tmp_path / "inventory").write_text(text)
    said = run(ANSIBLE, "-i", str(tmp_path / "inventory"), "site.yml", "--tags", "validate")
    assert (
        "Refused: [proxy.example.org] cluster_tools_registry_ca is set for demo, and certificates_ca is production"
        in said
    )
    assert "UNREACHABLE" not in said
    assert said.count("Refused:") == 1
