from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lightship_cluster.job.job_location import job_location
from lightship_protocol import limits


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SLURM_JOB_PARTITION", "PBS_QUEUE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "node1.cluster.example.org")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["SLURM_JOB_PARTITION", "PBS_QUEUE"])
def test_a_job_knows_its_node_partition_and_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(name, "gpu")
    assert job_location() == {"node": "node1", "partition": "gpu", "folder": str(tmp_path)}


def test_what_is_not_known_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert job_location() == {"node": "node1"}


def test_of_a_long_folder_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/" + "x" * 600 + "/here"))
    folder = job_location()["folder"]
    assert (len(folder), folder[:3], folder[-5:]) == (limits.FOLDER, "...", "/here")


def test_a_folder_of_any_bytes_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert job_location()["folder"] == f"{tmp_path}/?"
