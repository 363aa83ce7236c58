"""Jobs that are refused before their submission, with rows of Slurm 24.11 and GPUs from its manual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.own_options import QSUB, SBATCH
from lightship_cluster.schedulers.slurm_partitions import UNLIMITED, check, choose, parse, time_of

SINFO = """\
compute*|up|1-00:00:00|16|16000|(null)
compute*|up|1-00:00:00|64|256000|(null)
debug|up|30:00|16|16000|(null)
long|up|infinite|16|16000|(null)
gpu|up|2-00:00:00|32|512000|gpu:a100:4(S:0-1),gpu:v100:2
plain-gpu|up|2-00:00:00|32|64000|gpu:2
closed|down|infinite|16|16000|(null)
noise
|x
"""


@pytest.fixture(autouse=True)
def no_options_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SBATCH_PARTITION", "SBATCH_QOS"):
        monkeypatch.delenv(name, raising=False)


def refusal(minutes: int = 30, partition: str = "", script: Path | None = None, **asked: Any) -> str:
    with pytest.raises(LightshipError) as refused:
        passes(minutes, partition, script, **asked)
    assert refused.value.status is ExitStatus.PARTITION
    return refused.value.sentence


def passes(minutes: int = 30, partition: str = "", script: Path | None = None, **asked: Any) -> None:
    assert warning(minutes, partition, script, **asked) == ""


def warning(minutes: int = 30, partition: str = "", script: Path | None = None, **asked: Any) -> str:
    return check(parse(SINFO), choose(Resources(minutes, partition, **asked), script, SBATCH))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30:00", 30),
        ("1:00:00", 60),
        ("1-00:00:00", 1440),
        ("7-12:30:59", 10830),
        ("infinite", UNLIMITED),
        ("", UNLIMITED),
    ],
)
def test_slurms_times_are_read(text: str, minutes: int) -> None:
    assert time_of(text) == minutes


@pytest.mark.parametrize(
    "asked",
    [
        {"minutes": 1440},
        {"minutes": 30, "partition": "debug"},
        {"minutes": 10**6, "partition": "long"},
        {"minutes": 60, "partition": "debug,compute"},
        {"cores": 64, "memory": 256000},
        {"partition": "gpu", "gpus": "a100:4"},
        {"partition": "gpu", "gpus": "6"},
        {"partition": "gpu", "gpus": "v100"},
        {"partition": "plain-gpu", "gpus": "2"},
        {"minutes": 60, "partition": "debug", "qos": "long"},
    ],
)
def test_what_fits_passes(asked: dict[str, Any]) -> None:
    passes(**asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"minutes": 31, "partition": "debug"},
            "debug gives 30 min at most, and you asked for 31 min. Give less with -t.",
        ),
        ({"minutes": 1441, "partition": "compute"}, "The partition compute gives 24 h 00 min at most"),
        ({"cores": 65, "partition": "compute"}, "no node with 65 cores: its nodes have 64 at most. Ask for fewer."),
        ({"cores": 17, "partition": "debug,long"}, "its nodes have 16 at most"),
        (
            {"memory": 300 * 1024, "partition": "compute"},
            "no node with 300 GiB of memory: its nodes have 250 GiB at most. Ask for less.",
        ),
        (
            {"gpus": "1", "partition": "compute"},
            "The partition compute has no GPUs. Leave out -g. It would fit in: gpu",
        ),
        (
            {"gpus": "a100:5", "partition": "gpu"},
            "no node with 5 GPUs of the type a100: its nodes have 4 a100, 2 v100. Ask",
        ),
        ({"gpus": "h100:1", "partition": "gpu"}, "no node with 1 GPU of the type h100: its nodes have 4 a100"),
        ({"gpus": "1", "partition": "debug"}, "The partition debug has no GPUs."),
        (
            {"memory": 10**9 - 1, "partition": "compute"},
            "with 953.6 TiB of memory: its nodes have 250 GiB at most.",
        ),
        ({"partition": "x" * 300}, f"There is no partition '{'x' * 57}...'. This cluster has"),
        ({"partition": "closed"}, "takes jobs but starts none just now"),
        (
            {"partition": "debug,gone"},
            "There is no partition 'gone'. This cluster has: closed, compute (default), debug",
        ),
    ],
)
def test_what_can_never_run_is_refused(asked: dict[str, Any], words: str) -> None:
    assert words in refusal(**asked)


def test_the_partitions_where_it_would_fit_are_named() -> None:
    assert refusal(60, "debug").endswith("It would fit in: compute, gpu, long, plain-gpu (choose with -p).")
    assert refusal(partition="compute", gpus="a100:1").endswith("It would fit in: gpu (choose with -p).")
    assert "would fit" not in refusal(partition="compute", gpus="a100:9")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"minutes": 1441},
            "Jobs that name no partition go to compute, which gives 24 h 00 min at most, and you asked for "
            "24 h 01 min. Unless your site sends this job elsewhere, it will not start. "
            "It would fit in: gpu, long, plain-gpu (choose with -p).",
        ),
        ({"cores": 65}, "it will not start. Ask for fewer."),
        ({"memory": 300 * 1024}, "its nodes have 250 GiB at most. Unless your site sends this job elsewhere"),
        (
            {"gpus": "1"},
            "has no GPUs. Unless your site sends this job elsewhere, it will not start. It would fit in: gpu",
        ),
    ],
)
def test_what_names_no_partition_gets_a_warning_for_a_site_may_choose_another(
    asked: dict[str, Any], words: str
) -> None:
    said = warning(**asked)
    assert said.startswith("Jobs that name no partition go to compute, which ")
    assert words in said


def test_a_default_partition_that_is_closed_is_doubtful_too() -> None:
    closed = parse("compute*|down|infinite|16|16000|(null)\nlong|up|infinite|16|16000|(null)\n")
    assert check(closed, Resources(30)) == (
        "Jobs that name no partition go to compute, which takes jobs but starts none just now. "
        "Unless your site sends this job elsewhere, it will not start. It would fit in: long (choose with -p)."
    )


@pytest.mark.parametrize(
    "line",
    [
        "#SBATCH -p long",
        "#SBATCH -plong",
        "#SBATCH --nodes=1 --partition=long",
        "#SBATCH --partition long # the slow one",
        "#SBATCH --job-name='a b' -p 'long'",
        "#PBS -q long",
    ],
)
def test_a_script_may_choose_its_own_partition(tmp_path: Path, line: str) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n\n# comment\n{line}\n")

    passes(10**6, script=script)
    assert "long has no node with 17 cores" in refusal(cores=17, script=script)
    assert "gives 30 min at most" in refusal(60, "debug", script=script)


@pytest.mark.parametrize(
    "text",
    [
        "#SBATCH --job-name=x # was -p long",
        "cd /tmp\n#SBATCH -p long",
        "##SBATCH -p long",
        "#SBATCH --comment='-p long",
    ],
)
def test_what_only_looks_like_a_choice_is_none(tmp_path: Path, text: str) -> None:
    script = tmp_path / "own.sh"
    script.write_text(f"#!/bin/bash\n{text}\n")

    assert "Jobs that name no partition go to compute, which gives 24 h" in warning(10**6, script=script)


@pytest.mark.parametrize("extra", [("-p", "gpu"), ("-pgpu",), ("--partition=gpu",), ("--partition", "gpu")])
def test_a_users_own_options_choose_before_all_others(tmp_path: Path, extra: tuple[str, ...]) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#SBATCH -p long\n")

    passes(gpus="1", extra=extra)
    passes(30, "debug", script, gpus="1", extra=("--exclusive", *extra))
    assert "gpu gives 2 days at most" in refusal(3000, "long", script, extra=extra)


@pytest.mark.parametrize("extra", [("--qos=long",), ("-q", "long")])
def test_a_quality_of_service_among_them_may_lift_the_time_limit(extra: tuple[str, ...]) -> None:
    passes(3000, extra=extra)
    assert "17 cores" in refusal(3000, "debug", cores=17, extra=extra)


def test_torques_language_has_its_own_words_for_them() -> None:
    # There -p is a priority, and -q the queue.
    chosen = choose(Resources(30, extra=("-p", "5", "-q", "gpu")), None, QSUB)
    assert (chosen.partition, chosen.qos) == ("gpu", "")


def test_a_script_may_lift_the_time_limit(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/bash\n#SBATCH --qos=long\n")

    passes(60, "debug", script=script)
    assert "17 cores" in refusal(60, "debug", script=script, cores=17)
    assert "30 min" in refusal(60, "debug", script=tmp_path / "not-there.sh")


def test_so_may_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "long")
    passes(10**6)

    monkeypatch.setenv("SBATCH_PARTITION", "compute")
    assert "The partition compute gives 24 h 00 min at most" in refusal(10**6)


def test_a_cluster_without_a_default_partition_is_left_to_slurm() -> None:
    assert check(parse("a|up|30:00|1|1000|(null)\n"), Resources(60)) == ""
