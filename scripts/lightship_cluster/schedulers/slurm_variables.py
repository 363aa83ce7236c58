"""Slurm's own variables in a user's environment: which of them a job gets, and which are refused or dropped.

Every input variable in sbatch's manual is in one of the lists; a test compares them with the manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Resources

_ARRAY = "a job array would start the same notebook several times"
_CLUSTER = "a job of another cluster cannot be followed from here"
REFUSED = {"SBATCH_ARRAY_INX": _ARRAY, "SBATCH_CLUSTERS": _CLUSTER, "SLURM_CLUSTERS": _CLUSTER}


def _all(prefix: str, names: str) -> frozenset[str]:
    return frozenset(f"{prefix}_{name}" for name in names.split())


# Variables that a user may set: where the job runs, with which resources, and on which account.
HONOURED = _all(
    "SBATCH",
    "ACCOUNT ACCTG_FREQ BATCH BURST_BUFFER CLUSTER_CONSTRAINT CONSTRAINT CORE_SPEC CPU_FREQ_REQ CPUS_PER_GPU "
    "DELAY_BOOT DISTRIBUTION EXCLUSIVE GPU_BIND GPU_FREQ GPUS GPUS_PER_NODE GPUS_PER_SOCKET GPUS_PER_TASK GRES "
    "GRES_FLAGS HINT IGNORE_PBS JOB_NAME MEM_BIND MEM_PER_CPU MEM_PER_GPU MEM_PER_NODE NETWORK NO_KILL NO_REQUEUE "
    "OPEN_MODE OVERCOMMIT PARTITION POWER PROFILE QOS REQ_SWITCH RESERVATION SPREAD_JOB THREAD_SPEC THREADS_PER_CORE "
    "TRES_BIND TRES_PER_TASK USE_MIN_NODES WAIT4SWITCH WAIT_ALL_NODES WCKEY",
) | _all("SLURM", "CONF HINT STEP_KILLED_MSG_NODE_ID UMASK")
# Variables that start-jupyter or the batch script sets: the environment, the time, the log, the warning before the end.
# And variables that would hide the answer: to wait for the job, print more, or fail with a status of 0.
DROPPED = _all(
    "SBATCH",
    "CONTAINER CONTAINER_ID DEBUG ERROR EXPORT GET_USER_ENV INPUT OUTPUT REQUEUE SIGNAL TIMELIMIT WAIT",
) | _all("SLURM", "DEBUG_FLAGS EXIT_ERROR")
# Variables that an option of start-jupyter replaces: Slurm refuses both together.
_INSTEAD_OF = {
    "memory": _all("SBATCH", "MEM_PER_CPU MEM_PER_GPU MEM_PER_NODE"),
    "gpus": _all("SBATCH", "GPUS GPUS_PER_NODE GPUS_PER_SOCKET GPUS_PER_TASK GRES TRES_PER_TASK"),
    "cores": _all("SBATCH", "CPUS_PER_GPU"),
}
# An allocation sets all other variables, and srun in the notebook would use them.
_KEPT = _all("SLURM", "BITSTR_LEN CONF CONF_SERVER JWT MPI_TYPE TIME_FORMAT") | {"SLURM_SACK_JWKS", "SLURM_SACK_KEY"}
_OF_AN_ALLOCATION = ("SLURM_", "SLURMD_", "PMI_", "PMIX_")
_OF_A_STEP = _all("SBATCH", "CPU_BIND CPU_BIND_LIST CPU_BIND_TYPE CPU_BIND_VERBOSE") | _all(
    "SBATCH", "MEM_BIND MEM_BIND_LIST MEM_BIND_PREFER MEM_BIND_SORT MEM_BIND_TYPE MEM_BIND_VERBOSE THREADS_PER_CORE"
)
_DEVICES = {"CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"}


def require_usable(variables: Mapping[str, str]) -> None:
    """Refuse variables that make several jobs, or a job that cannot be followed."""
    for name, why in REFUSED.items():
        if variables.get(name):
            raise LightshipError(
                f"Your environment has {name}={variables[name]}: {why}. Type: unset {name}", ExitStatus.USAGE
            )


def environment(users: Mapping[str, str], wanted: Resources) -> dict[str, str]:
    """The environment of sbatch, which the job inherits: the user's, without variables of another allocation."""
    dropped = set(DROPPED).union(*(names for option, names in _INSTEAD_OF.items() if getattr(wanted, option)))
    if users.get("SLURM_JOB_ID") or users.get("SLURM_JOBID"):
        dropped.update(_inherited(users))
    return {name: value for name, value in users.items() if name not in dropped}


def _inherited(users: Iterable[str]) -> list[str]:
    return [
        name
        for name in users
        if name in _OF_A_STEP or name in _DEVICES or (name.startswith(_OF_AN_ALLOCATION) and name not in _KEPT)
    ]
