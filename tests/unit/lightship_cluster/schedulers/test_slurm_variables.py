"""What sbatch itself reads is in its manual on the test bed, and a test there compares."""

from __future__ import annotations

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers import slurm_variables
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.slurm_variables import DROPPED, HONOURED, REFUSED, environment, require_usable

ALL = dict.fromkeys((*HONOURED, *DROPPED, *REFUSED), "1")


def test_each_variable_has_one_decision() -> None:
    assert len(ALL) == len(HONOURED) + len(DROPPED) + len(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_several_jobs_or_one_elsewhere_is_refused_and_how_to_get_rid_of_it_is_said(name: str) -> None:
    with pytest.raises(LightshipError, match=rf"has {name}=x: .*Type: unset {name}") as refused:
        require_usable({name: "x"})
    assert refused.value.status is ExitStatus.USAGE
    require_usable({name: "", "SBATCH_PARTITION": "debug"})


def test_a_users_wishes_go_with_the_job_and_what_start_jupyter_decides_does_not() -> None:
    kept = environment({**ALL, "PATH": "/bin", "SLURM_NTASKS": "2"}, Resources(60))

    assert set(kept) == {*HONOURED, *REFUSED, "PATH", "SLURM_NTASKS"}


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        (Resources(60, memory=600), {"SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU", "SBATCH_MEM_PER_NODE"}),
        (Resources(60, cores=2), {"SBATCH_CPUS_PER_GPU"}),
        (Resources(60, gpus="1"), {"SBATCH_GPUS", "SBATCH_GRES", "SBATCH_TRES_PER_TASK"}),
    ],
)
def test_what_is_said_nearer_to_the_start_holds(wanted: Resources, gone: set[str]) -> None:
    assert gone <= set(HONOURED) - set(environment(ALL, wanted))


@pytest.mark.parametrize("job", ["SLURM_JOB_ID", "SLURM_JOBID"])
def test_of_an_allocation_around_only_what_leads_to_slurm_is_left(job: str) -> None:
    leads = {"SLURM_CONF": "/x", "SLURM_JWT": "x", "SLURM_TIME_FORMAT": "relative", "SLURM_MPI_TYPE": "pmix"}
    around = {"SLURM_MEM_PER_CPU": "300", "SLURM_CPU_BIND": "quiet", "SLURM_EXPORT_ENV": "NONE", "SLURMD_NODENAME": "n"}
    step = {"PMI_FD": "7", "PMIX_RANK": "0", "SBATCH_MEM_BIND": "local", "CUDA_VISIBLE_DEVICES": "3"}
    users = {"HOME": "/home/alice", "SBATCH_ACCOUNT": "abc123"}

    assert environment({**leads, **around, **step, **users, job: "17"}, Resources(60)) == {**leads, **users}
    # Without one they are the user's own, for srun in the notebook.
    assert environment({**around, **users}, Resources(60)) == {**around, **users}


def test_the_names_are_whole() -> None:
    assert all(name.startswith(("SBATCH_", "SLURM_")) for name in ALL)
    assert "SBATCH_WAIT" in slurm_variables.DROPPED
