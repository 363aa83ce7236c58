"""The filters by which the roles' preflights judge keys, and partitions and times."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unit.ansible.plugins import REPOSITORY, load

keys = load("roles/ssh_gateway/filter_plugins/public_keys.py")
partitions = load("roles/cluster_tools/filter_plugins/partition_faults.py")


def made(folder: Path, *options: str) -> str:
    """A key that ssh-keygen made."""
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / "key", *options], check=True, timeout=60)
    return (folder / "key.pub").read_text().strip()


def field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def line(kind: str, *fields: bytes) -> str:
    return f"{kind} {base64.b64encode(b''.join(map(field, (kind.encode(), *fields)))).decode()} me@host"


@pytest.mark.parametrize(
    "options",
    [["-t", "ed25519"], ["-t", "ecdsa"], ["-t", "ecdsa", "-b", "521"], ["-t", "rsa", "-b", "2048"]],
    ids=" ".join,
)
def test_keys_of_ssh_keygen_are_taken_and_each_cut_of_them_is_refused(tmp_path: Path, options: list[str]) -> None:
    key = made(tmp_path, *options)
    assert keys.public_key_fault(key) == ""
    kind, blob, *_ = key.split()
    for length in range(4, len(blob) - 4, 4 * (1 + len(blob) // 60)):
        assert keys.public_key_fault(f"{kind} {blob[:length]}") != ""
    assert "is not of the kind" in keys.public_key_fault(f"ssh-ed25519X {blob}")


def test_keys_of_security_tokens_are_taken() -> None:
    point = b"\x04" + bytes(64)
    assert keys.public_key_fault(line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")) == ""
    assert keys.public_key_fault(line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", point, b"ssh:")) == ""


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ssh-ed25519 AAAA", "cut off or damaged"),
        ("ssh-ed25519 notbase64!", "cut off or damaged"),
        ("ssh-ed25519", "is not of the kind ssh-ed25519"),
        (line("ssh-ed25519", bytes(31)), "cut off or damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp384", b"\x04" + bytes(64)), "cut off or damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp256", b"\x02" + bytes(64)), "cut off or damaged"),
        (line("ssh-rsa", b"\1\0\1", b"\x00\x80" + bytes(127)), "has 1024 bits"),
        (line("ssh-dss", b"p", b"q", b"g", b"y"), "of the kind ssh-dss, which sshd does not take"),
    ],
)
def test_what_is_no_key_is_refused_with_a_remedy(key: str, said: str) -> None:
    fault = keys.public_key_fault(key)
    assert said in fault
    assert "ssh-keygen" in fault or ".pub" in fault


CLUSTER: dict[str, Any] = {"compute": 1440, "debug": 30, "gpu": None}


@pytest.mark.parametrize(
    ("has", "values", "said"),
    [
        (CLUSTER, {"partition": "compute", "time": "1440"}, ""),
        (CLUSTER, {"partition": "gpu", "time": "99999"}, ""),
        (CLUSTER, {"time": 30}, ""),
        (CLUSTER, {"partition": "compute,debug", "time": "00:30:00"}, ""),
        (CLUSTER, {"partition": "", "time": "much"}, ""),
        ({}, {"partition": "nosuch", "time": "99999"}, ""),
        ({"workq": 60}, {"partition": "workq@server", "time": "1:00:00"}, ""),
        (CLUSTER, {"partition": "nosuch"}, 'names the partition "nosuch", and the cluster has compute, debug, gpu.'),
        (CLUSTER, {"partition": "compute,nosuch"}, '"nosuch"'),
        (CLUSTER, {"partition": "debug", "time": 31}, "has 31 minutes, and the partition debug gives 30 at most"),
        (CLUSTER, {"partition": "compute", "time": "1-00:00:01"}, "has 1441 minutes"),
        ({"a": 10, "b": 20}, {"time": 21}, "no partition gives more than 20"),
        (CLUSTER, {"partition": "debug", "time": "2h"}, "has 120 minutes, and the partition debug gives 30 at most"),
        (CLUSTER, {"partition": "debug", "time": "1:00"}, "has 60 minutes"),
        (CLUSTER, {"partition": "compute", "time": "1d 30m"}, "has 1470 minutes"),
        (CLUSTER, {"partition": "compute", "time": "2-12"}, "has 3600 minutes"),
        (CLUSTER, {"partition": "debug", "time": "30m"}, ""),
        (CLUSTER, {"partition": "compute", "time": "24h"}, ""),
        # Those mean two things, which the commands' own reader says.
        (CLUSTER, {"partition": "debug", "time": "90:00"}, ""),
        (CLUSTER, {"partition": "debug", "time": "2.5"}, ""),
    ],
)
def test_what_users_get_must_be_there(has: dict[str, Any], values: dict[str, Any], said: str) -> None:
    found = partitions.partition_faults(has, {"The preset x (cluster_tools_presets)": values})
    assert len(found) == bool(said)
    assert said in "".join(found)
    assert not found or "cluster_tools_presets" in found[0]


SINFO = "#!/bin/sh\nprintf 'compute|1-00:00:00\\ndebug|30:00\\nlong|infinite\\nweek|7-00:00:00\\n'\n"
QUEUES = "Queue: workq\n    queue_type = Execution\n    resources_max.walltime = 24:00:00\n\nQueue: free\n    x = 0\n"
QSTAT = f"#!/bin/sh\ncat <<'E'\n{QUEUES}E\n"
DOWN = "#!/bin/sh\necho 'slurm_load_partitions: Unable to contact slurm controller' >&2\nexit 1\n"


@pytest.mark.parametrize(
    ("commands", "scheduler", "found"),
    [
        ({"sinfo": SINFO, "sbatch": DOWN}, "", {"compute": 1440, "debug": 30, "long": None, "week": 10080}),
        ({"qstat": QSTAT, "qsub": DOWN}, "torque", {"workq": 1440, "free": None}),
        ({"sinfo": DOWN, "sbatch": DOWN}, "slurm", {}),
        ({"sinfo": SINFO, "sbatch": DOWN}, "none", {}),
        ({}, "", {}),
    ],
)
def test_the_login_node_tells_its_partitions(
    tmp_path: Path, commands: dict[str, str], scheduler: str, found: dict[str, int | None]
) -> None:
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    # As Ansible hands it over: without quotes, so that an empty last word is none.
    program = f"exec /usr/bin/env python3 {REPOSITORY}/roles/cluster_tools/files/look.py /opt/x {tmp_path} {scheduler}"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(done.stdout)["partitions"] == found
