"""Control groups are folders here; a test on the bed has a real kill for lack of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.job.memory_kills import MemoryKills


class Node:
    def __init__(self, folder: Path) -> None:
        self.own, self.mount = folder / "cgroup", folder / "mount"

    def write(self, group: str, file: str, kills: int) -> None:
        folder = self.mount / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"low 0\nunder_oom 0\noom {kills + 5}\noom_kill {kills}\n")

    def kills(self) -> MemoryKills:
        return MemoryKills(self.own, self.mount)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("own", "group", "file"),
    [
        ("0::/slurm/job_17/task_0\n", "slurm/job_17/task_0", "memory.events"),
        # The innermost group has no memory controller.
        ("0::/slurm/job_17/task_0\n", "slurm/job_17", "memory.events"),
        # A container sees its own group as the root.
        ("0::/\n", "", "memory.events"),
        (
            "9:memory:/slurm/job_17\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/x\n",
            "memory/slurm/job_17",
            "memory.oom_control",
        ),
    ],
)
def test_a_kill_since_the_beginning_is_seen(node: Node, own: str, group: str, file: str) -> None:
    node.own.write_text(own)
    node.write(group, file, 3)
    kills = node.kills()
    assert not kills.grown()

    node.write(group, file, 4)
    assert kills.grown()


@pytest.mark.parametrize("own", [None, "", "nonsense\n", "0::/absent\n", "0::/../../outside\n", "9:memory:/absent\n"])
def test_a_node_without_such_groups_has_no_kills(node: Node, own: str | None) -> None:
    if own is not None:
        node.own.write_text(own)
    assert not node.kills().grown()


def test_a_file_of_another_form_is_no_kill(node: Node) -> None:
    node.own.write_text("0::/job\n")
    node.write("job", "memory.events", 0)
    kills = node.kills()
    (node.mount / "job" / "memory.events").write_text("oom_kill many\n")
    assert not kills.grown()


def test_this_machine_can_be_asked() -> None:
    assert not MemoryKills().grown()
