"""What a user is told when a start cannot work, and that a refused start leaves no job, no link and no file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lightship_cluster.core.errors import ExitStatus
from support import bed


def traces(user: str) -> tuple[str, str, set[str]]:
    """Return a user's jobs, the files in their home and in temporary folders, and their links that are not ended."""
    jobs = bed.run("login", f"squeue -h -u {user} -o %i").stdout
    files = bed.run("login", f"find ~{user} /tmp /var/tmp /dev/shm /run/user -user {user} -type f", check=False).stdout
    return jobs, files, {name for name, state in bed.links(user).items() if state != "ended"}


@pytest.fixture(autouse=True)
def no_trace_is_left() -> Iterator[None]:
    before = traces("bob")
    yield
    assert traces("bob") == before


@contextmanager
def stopped(host: str, *units: str) -> Iterator[None]:
    """Stop systemd units on a host for a while."""
    bed.run(host, f"systemctl stop {' '.join(units)}")
    try:
        yield
    finally:
        bed.run(host, f"systemctl start {' '.join(reversed(units))}")


@contextmanager
def another_home(options: str) -> Iterator[None]:
    """Give bob a home of its own on the login node for a while."""
    bed.run("login", f"mount -t tmpfs -o {options},mode=0700,uid=$(id -u bob),gid=$(id -g bob) tmpfs ~bob")
    try:
        yield
    finally:
        bed.run("login", "umount ~bob")


def test_a_home_that_is_read_only() -> None:
    with another_home("ro"):
        bed.refused("start-jupyter", ExitStatus.LINK_FOLDER, "Cannot write in /home/bob", "Make it writable")


def test_a_home_on_a_full_disk() -> None:
    with another_home("size=64k"):
        bed.run("login", "dd if=/dev/zero of=fill bs=4k", user="bob", check=False)
        bed.refused("start-jupyter", ExitStatus.LINK_FOLDER, "No space left on device", "Make room")
        assert bed.run("login", "find ~bob -type f").stdout == "/home/bob/fill\n"


def test_no_jupyter() -> None:
    bed.refused(
        "PATH=/usr/bin:/bin /usr/local/bin/start-jupyter", ExitStatus.JUPYTER, "no 'jupyter' on your PATH", "Activate"
    )


def test_an_unknown_batch_script() -> None:
    bed.refused("start-jupyter -b slurm/nosuch.sh", ExitStatus.BATCH_SCRIPT, "slurm/nosuch.sh")


def test_a_time_that_is_none() -> None:
    bed.refused("start-jupyter -t soon", ExitStatus.USAGE, "soon")
    bed.refused("start-jupyter -t 30:00", ExitStatus.USAGE, "Write 30m or 30h.")


def test_a_first_word_that_is_no_command() -> None:
    bed.refused("start-jupyter lab", ExitStatus.USAGE, "Did you mean: start-jupyter -s jupyterlab")
    bed.refused("start-jupyter $HOME", ExitStatus.USAGE, "Did you mean: start-jupyter -d /home/bob")
    bed.refused("start-jupyter -m 16", ExitStatus.USAGE, "Write 16G if you mean GB")


def test_a_job_that_slurm_does_not_take() -> None:
    script = "#!/bin/bash\n#SBATCH --nodes=9\n"
    bed.run("login", f"printf %s {shlex.quote(script)} > ~/nine.sh", user="bob")
    command = "start-jupyter -b ~/nine.sh; status=$?; rm ~/nine.sh; exit $status"
    bed.refused(command, ExitStatus.SUBMIT, "Slurm did not take the job")


def test_a_job_that_the_site_does_not_take() -> None:
    said = "did not take the job:\n    Jobs here name their project.\n    Name yours with -A.\n"
    bed.refused("start-jupyter -- --comment=refuse", ExitStatus.SUBMIT, f"Slurm {said}")
    with_directive = "printf '#!/bin/bash\n#SBATCH --comment=refuse\n' > r.sh; start-jupyter -b ~/r.sh"
    as_torque = f"{with_directive} --scheduler torque; status=$?; rm r.sh; exit $status"
    bed.refused(as_torque, ExitStatus.SUBMIT, f"Slurm {said}")


def test_a_time_over_the_sites_limit() -> None:
    limit = "gives 24 h 00 min at most"
    bed.refused("start-jupyter -p compute -t 99:00:00", ExitStatus.PARTITION, f"The partition compute {limit}")
    # Where nobody names a partition the site may have its own for such jobs, so that the answer is its scheduler's.
    by_default = f"Jobs that name no partition go to compute, which {limit}"
    bed.refused(
        "start-jupyter -t 1441 -- --comment=refuse", ExitStatus.SUBMIT, by_default, "Slurm did not take the job"
    )
    # And where no scheduler has a limit, the registry has.
    answer = bed.agent("bob", op="create", seconds=99 * 3600)
    assert "72 hours" in answer["error"]


def test_no_agent() -> None:
    with stopped("login", "lightship-agent"):
        bed.refused("start-jupyter", ExitStatus.AGENT, "agent")


def test_an_unreachable_registry() -> None:
    with stopped("proxy", "nginx"):
        bed.refused("start-jupyter", ExitStatus.REGISTRY, f"registry.{bed.DOMAIN}")


def test_a_registry_that_does_not_answer_behind_the_web_server() -> None:
    with stopped("proxy", "lightship-registry.socket", "lightship-registry.service"):
        bed.refused("start-jupyter", ExitStatus.REGISTRY, "registry")
