from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.config.options import SCHEDULERS
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import find_scheduler, scheduler_of_script
from lightship_cluster.schedulers.base import Scheduler
from unit.lightship_cluster.fake_programs import program

# What each `qstat --version` says: OpenPBS's pull request 1346, Torque's manual, Slurm 24.11 and Grid Engine as seen.
OPENPBS = "echo 'pbs_version = 19.1.3'"
OLD_PBS = "echo 'pbs_version = PBSPro_13.0.409.180551'"
TORQUE = "echo 'Version: 6.1.2' >&2; echo 'Commit: 661e092552de43a785c15d39a3634a541d86898e' >&2"
OLD_TORQUE = "echo 'version: 2.5.12'"
SLURMS = "echo 'Unknown option: version' >&2; exit 2"
GRID_ENGINE = "echo 'error: ERROR! invalid option argument \"--version\"' >&2; exit 1"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def commands(host: Path, qstat: str = "", *, slurm: bool = False) -> None:
    if qstat:
        program(host / "qstat", f"#!/bin/sh\n{qstat}\n")
        program(host / "qsub", "#!/bin/sh\n")
    for name in ("sbatch", "sinfo") if slurm else ():
        program(host / name, "#!/bin/sh\n")


def kind(scheduler: Scheduler) -> str:
    return type(scheduler).__name__


@pytest.mark.parametrize(
    ("qstat", "slurm", "found"),
    [
        ("", True, "Slurm"),
        (SLURMS, True, "Slurm"),
        (OPENPBS, False, "Pbs"),
        (OLD_PBS, False, "Pbs"),
        (TORQUE, False, "Torque"),
        (OLD_TORQUE, False, "Torque"),
    ],
)
def test_a_scheduler_is_found_by_its_commands_and_what_they_say(
    host: Path, qstat: str, found: str, *, slurm: bool
) -> None:
    commands(host, qstat, slurm=slurm)

    assert kind(find_scheduler()) == found


@pytest.mark.parametrize(
    ("name", "qstat", "slurm", "found"),
    [
        ("slurm", SLURMS, True, "Slurm"),
        ("torque", SLURMS, True, "SlurmTorque"),
        ("torque", TORQUE, True, "Torque"),
        ("torque", TORQUE, False, "Torque"),
        ("pbs", OPENPBS, False, "Pbs"),
        ("none", "", False, "Here"),
    ],
)
def test_a_scheduler_may_be_named(host: Path, name: str, qstat: str, found: str, *, slurm: bool) -> None:
    commands(host, qstat, slurm=slurm)

    assert kind(find_scheduler(name)) == found


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", r"Not on PATH: sbatch and sinfo \(Slurm\), or qsub and qstat \(PBS, Torque\). Log in to a login node"),
        ("slurm", r"sbatch and sinfo \(Slurm\). Log in"),
        ("pbs", r"qsub and qstat \(PBS\)"),
        ("torque", r"qsub and qstat \(Torque\)"),
        ("lsf", "no scheduler 'lsf'. Lightship knows: slurm, pbs, torque, none"),
    ],
)
def test_what_is_missing_is_said_and_what_to_do(name: str, words: str) -> None:
    with pytest.raises(LightshipError, match=words) as refused:
        find_scheduler(name)

    assert refused.value.status is ExitStatus.SCHEDULER


def test_a_foreign_scheduler_with_the_same_names_is_not_mistaken(host: Path) -> None:
    commands(host, GRID_ENGINE)
    with pytest.raises(LightshipError, match="neither PBS's nor Torque's"):
        find_scheduler()


def test_the_folder_of_a_sites_script_names_its_scheduler(tmp_path: Path) -> None:
    assert [scheduler_of_script(tmp_path / name / "notebook.sh", tmp_path) for name in SCHEDULERS] == list(SCHEDULERS)
    assert scheduler_of_script(tmp_path / "old" / "notebook.sh", tmp_path) == ""
    assert scheduler_of_script(Path("/home/alice/torque/my.sh"), tmp_path) == ""
