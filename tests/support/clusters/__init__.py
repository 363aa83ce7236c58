"""The clusters of the test bed. One suite, tests/behaviour, is run by the scenario of each of them."""

from __future__ import annotations

import os

from support.clusters.base import Cluster
from support.clusters.pbs import Pbs
from support.clusters.slurm import Slurm

SLURM = Slurm(
    name="demo",
    scheduler="Slurm",
    login="login",
    nodes=("node1", "node2"),
    hold="--hold",
    after="--dependency=afterany:{job}",
    refused_option="--comment=refuse",
    refused_words=("Jobs here name their project.", "Name yours with -A."),
    stops="scancel {job}",
    drained_words="nodes that it needs are down or reserved",
    held_words="it is on hold",
    dependent_words="it waits for another job",
    examples={
        "": ("compute", 30, ""),
        "-b slurm/jupyterlab.sh": ("compute", 30, ""),
        "-b torque/jupyterlab.sh": ("compute", 30, ""),
        "-d ~ -p debug -t 30": ("debug", 30, ""),
        "-d ~ -A ddp363 -p compute -t 60": ("compute", 60, "ddp363"),
    },
)
PBS = Pbs(
    name="pbs",
    scheduler="PBS",
    login="pbslogin",
    nodes=("pbsnode1", "pbsnode2"),
    hold="-h",
    after="-W depend=afterany:{job}",
    refused_option="-l nosuch=1",
    refused_words=("Unknown resource", "nosuch"),
    stops="qdel {job}",
    drained_words="waiting for free nodes",
    held_words="release it with qrls and its number",
    dependent_words="it waits for another job",
    examples={
        "": ("compute", 30, ""),
        "-b pbs/jupyterlab.sh": ("compute", 30, ""),
        "-d ~ -p debug -t 30": ("debug", 30, ""),
        "-d ~ -A ddp363 -p compute -t 60": ("compute", 60, "ddp363"),
    },
    limits_memory=True,
)


def here() -> Cluster:
    """The cluster of the running scenario; without one, the cluster with Slurm."""
    return PBS if os.environ.get("MOLECULE_SCENARIO_NAME") == "pbs" else SLURM
