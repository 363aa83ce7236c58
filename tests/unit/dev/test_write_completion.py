"""The completion, in the real shells that would use it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
import write_completion

from lightship_cluster.config.options import COMMANDS, INTERFACES, OPTIONS

GUIDE = (Path(write_completion.__file__).parents[1] / "lightship_cluster" / "README.md").read_text()
CALL = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_start_jupyter
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    assert write_completion.main(["--dist", str(folder)]) == 0
    return folder / "start-jupyter.bash"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A prefix with a command, and a user with links and presets."""
    for path in ("prefix/bin", "prefix/etc/clusters", "prefix/batch/slurm", "home/.config/lightship"):
        (tmp_path / path).mkdir(parents=True)
    command = tmp_path / "prefix" / "bin" / "start-jupyter"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    (tmp_path / "prefix" / "etc" / "lightship.ini").write_text("[preset gpu]\n[defaults]\n[preset $(touch owned)]\n")
    (tmp_path / "prefix" / "etc" / "clusters" / "demo.ini").write_text("[preset big-mem ]\n")
    (tmp_path / "prefix" / "batch" / "slurm" / "notebook.sh").touch()
    (tmp_path / "home" / ".config" / "lightship" / "lightship.ini").write_text("[preset mine]\n")
    links = tmp_path / "home" / ".local" / "state" / "lightship"
    for name in ("amber-two-three", "briar-two-three", "a-$(touch owned)-c"):
        (links / name).mkdir(parents=True)
    (links / "amber-two-three" / "secret").touch()
    for path in (
        "modules/python/3.12.lua",
        "modules/.hidden/1",
        "modules/.modulerc",
        "more/gcc/13",
        "more/$(touch owned)",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for path in ("home/miniforge3/envs/analysis", "home/miniforge3/envs/no-environment/bin", "elsewhere/physics"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("home/miniforge3/envs/analysis", "elsewhere/physics"):
        (tmp_path / path / "conda-meta").mkdir()
    (tmp_path / "home" / ".conda").mkdir()
    (tmp_path / "home" / ".conda" / "environments.txt").write_text(f"/gone/thesis\n{tmp_path}/$(touch owned)\n")
    cluster(tmp_path, "echo compute; echo debug; echo 'x$(touch owned)'")
    return tmp_path


def cluster(folder: Path, answer: str) -> None:
    """A scheduler whose command notes each time that it is asked."""
    sinfo = folder / "prefix" / "bin" / "sinfo"
    sinfo.write_text(f'#!/bin/sh\necho "$@" >>{folder}/asked\n{answer}\n')
    sinfo.chmod(0o755)


def offered(script: Path, home: Path, *words: str) -> set[str]:
    environment = {
        "HOME": str(home / "home"),
        "PATH": f"{home}/prefix/bin:/usr/bin:/bin",
        "MODULEPATH": f"{home}/modules:{home}/more:{home}/absent",
        "CONDA_ENVS_PATH": f"{home}/elsewhere",
    }
    command = ["bash", "--norc", "-c", CALL, "bash", str(script), "start-jupyter", *words]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == ""
    assert not (home / "owned").exists()
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], set(COMMANDS)),
        (["s"], {"stop"}),
        (["--inter"], {"--interface"}),
        (["-p", "debug", "--mem"], {"--memory"}),
        (["-s", ""], set(INTERFACES)),
        (["-s", "jup"], {"jupyterlab"}),
        (["--interface", "="], set(INTERFACES)),
        (["--interface", "=", "l"], {"lab"}),
        (["--scheduler", "t"], {"torque"}),
        (["--preset", ""], {"gpu", "big-mem", "mine"}),
        (["-b", ""], {"slurm/notebook.sh"}),
        (["-p", ""], {"compute", "debug"}),
        (["--partition", "=", "d"], {"debug"}),
        (["--module", ""], {"python/3.12", "gcc/13"}),
        (["--module", "gcc"], {"gcc/13"}),
        (["--conda", ""], {"analysis", "physics", "thesis"}),
        (["again", "br"], {"briar-two-three"}),
        (["again", "-t", ""], set()),
        (["--", "--in"], set()),
        (["stop", ""], {"--all", "-a", "--help", "-h", "amber-two-three"}),
        (["open", "am"], {"amber-two-three"}),
        (["logs", "br"], {"briar-two-three"}),
        (["list", "--a"], {"--all"}),
        (["keys", "--"], {"--add", "--remove", "--json", "--help"}),
        (["keys", "--add", ""], set()),  # files, by the shell itself
        (["keys", "--remove", ""], set()),
    ],
)
def test_what_can_follow_is_offered(script: Path, home: Path, words: list[str], expected: set[str]) -> None:
    assert offered(script, home, *words) == expected


@pytest.mark.parametrize(("answer", "expected"), [("echo compute", {"compute"}), ("sleep 60", set())])
def test_a_scheduler_is_asked_once_and_not_waited_for(
    script: Path, home: Path, answer: str, expected: set[str]
) -> None:
    cluster(home, answer)
    assert [offered(script, home, "-p", "") for _ in range(2)] == [expected, expected]
    assert (home / "asked").read_text() == "--noheader --format=%R\n"


def test_partitions_are_offered_where_nothing_can_be_kept(script: Path, home: Path) -> None:
    (home / "home" / ".cache").touch()
    assert offered(script, home, "-p", "c") == {"compute"}


def test_what_another_keeps_in_a_shared_cache_is_not_offered(script: Path, home: Path) -> None:
    folder = home / "home" / ".cache" / "lightship"
    folder.mkdir(parents=True)
    kept = folder / f"partitions.{os.uname().nodename}"
    kept.write_text("own\nx;$(touch${IFS}owned)\n*\n")
    assert offered(script, home, "-p", "") == {"own"}
    if os.geteuid() == 0:
        os.chown(kept, 50000, 50000)
        assert offered(script, home, "-p", "") == {"compute", "debug"}
        kept.unlink()
        os.chown(folder, 50000, 50000)
        assert offered(script, home, "-p", "") == {"compute", "debug"}
        assert not list(folder.iterdir())


def test_queues_of_pbs_are_offered(script: Path, home: Path) -> None:
    cluster(home, "printf 'Queue: workq\\n    queue_type = Execution\\nQueue: long_queue_of_physics\\n'")
    (home / "prefix" / "bin" / "sinfo").rename(home / "prefix" / "bin" / "qstat")
    assert offered(script, home, "-p", "") == {"workq", "long_queue_of_physics"}


def test_every_option_is_offered(script: Path, home: Path) -> None:
    assert {flag for option in OPTIONS for flag in option.flags} < offered(script, home, "-t", "5", "-")


def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run(["shellcheck", "--shell=bash", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def for_zsh() -> str:
    """Return the line before `source` that the users' guide gives."""
    line = re.search(r"^    (autoload .* bashcompinit)\n    source ", GUIDE, re.MULTILINE)
    assert line
    # Alone on a test machine: whose files the shell's own are does not matter here.
    return line[1].replace("&& compinit", "&& compinit -u -D")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key_completes(script: Path, home: Path, shell: str) -> None:
    """In an interactive shell, as a user has it: an option, its value, a preset, what the cluster has, a folder."""
    (home / "notebooks of mine").mkdir()
    flags, first = {"bash": ("--norc --noprofile -i", ":"), "zsh": ("-f -i", for_zsh())}[shell]
    terminal, inside = pty.openpty()
    running = subprocess.Popen(
        [shell, *flags.split()], stdin=inside, stdout=inside, stderr=inside, cwd=home,
        env={"PATH": f"{home}/prefix/bin:/usr/bin:/bin", "TERM": "dumb", "HOME": str(home / "home")},
    )  # fmt: skip
    command = home / "prefix" / "bin" / "start-jupyter"
    command.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"; echo\n")
    try:
        os.write(terminal, f"{first}; source {script}; echo rea''dy\n".encode())
        wait_for(terminal, b"ready")
        os.write(terminal, b"start-jupyter --interf\t jupyterl\t --preset big\t -p deb\t --conda ana\t -d note\t\n")
        # zsh takes back the slash that it put behind the folder.
        wait_for(
            terminal,
            b"<--interface><jupyterlab><--preset><big-mem><-p><debug><--conda><analysis><-d><notebooks of mine",
        )
    finally:
        running.kill()
        running.wait()
        os.close(inside)
        os.close(terminal)


def wait_for(terminal: int, words: bytes) -> None:
    seen, deadline = b"", time.monotonic() + 20
    while words not in seen:
        assert select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0], seen
        seen += os.read(terminal, 4096)
