"""What the guides show is what happens: every example to a notebook that answers, every line that was promised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lightship_cluster.core.errors import ExitStatus
from support import bed, clusters

GUIDE = (bed.REPOSITORY / "scripts" / "lightship_cluster" / "README.md").read_text()
HERE = clusters.here()
EXAMPLES = HERE.examples
SHOWN = [example for example in EXAMPLES if f"$ start-jupyter {example}".rstrip() + "\n" in GUIDE]


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, bed.Notebook]]:
    """Return what each example gave."""
    with ThreadPoolExecutor(len(EXAMPLES)) as pool:
        notebooks = dict(zip(EXAMPLES, pool.map(lambda example: HERE.start("bob", example), EXAMPLES), strict=True))
    yield notebooks
    HERE.cancel(*(notebook.job for notebook in notebooks.values()))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_gives_a_notebook_that_answers(started: dict[str, bed.Notebook], example: str) -> None:
    notebook = started[example]
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/status", params={"token": notebook.token}).status_code == httpx.codes.OK
        interface = "/lab" if "jupyterlab" in example else "/tree"
        assert browser.get(interface, params={"token": notebook.token}).status_code == httpx.codes.OK
        top = browser.get("/api/contents", params={"token": notebook.token, "content": 0}).json()
    assert (top["type"], top["path"]) == ("directory", "")
    job = HERE.job(notebook.job)
    assert job
    assert (job.partition, job.minutes, job.account) == EXAMPLES[example]


def pattern_of(transcript: list[str]) -> str:
    """Return what matches a transcript with another link, job and time; which of the steps last a look is chance."""
    lines = []
    for line in transcript:
        text = re.sub(r"https://\S+\?\S+", "LINK", line)
        text = re.sub(r"https://\S+", "PAGE", text)
        text = re.sub(r"Job \d+", "Job JOB", text)
        text = re.sub(r"\d+", "NUMBER", re.escape(text))
        text = text.replace("LINK", r"https://[a-z-]+\.\S+\?token=[0-9a-f]{32}").replace("NUMBER", r"\d+")
        text = text.replace("JOB", r"\d+(?:\.\w+)?")
        text = text.replace("PAGE", r"https://[a-z-]+\.\S+/\.lightship/")
        passes = line.startswith(("Queued", "Job", "The job has begun", "Jupyter is starting"))
        lines.append(f"(?:{text}\n)?" if passes else f"{text}\n")
    return "".join(lines)


def test_the_guides_transcript_is_what_a_user_reads(started: dict[str, bed.Notebook]) -> None:
    shown = re.search(r"\$ start-jupyter -p compute -A abc123 -t 60\n(.*?)\n\n", GUIDE, re.DOTALL)
    assert shown
    transcript = [line.removeprefix("       ") for line in shown[1].splitlines()]
    assert_prints(started["-d ~ -A ddp363 -p compute -t 60"], transcript)


@pytest.mark.parametrize("example", SHOWN)
def test_the_guides_transcript_of_each_example_is_what_it_prints(
    started: dict[str, bed.Notebook], example: str
) -> None:
    command = f"start-jupyter {example}".rstrip()
    shown = re.search(rf"^\$ {re.escape(command)}\n(.*?)(?=\n\$ |\n```)", GUIDE, re.DOTALL | re.MULTILINE)
    assert shown
    assert_prints(started[example], shown[1].splitlines())


def assert_prints(notebook: bed.Notebook, transcript: list[str]) -> None:
    """What a user sees at a terminal, where the two streams are one; for what a job waits is the cluster's affair."""
    queued = next((line for line in transcript if line.startswith("Queued: ")), "")
    printed = re.sub(r"^Queued.*\n", f"{queued}\n" if queued else "", notebook.output, flags=re.MULTILINE)
    # Said where this machine is slow.
    printed = re.sub(
        rf"^(Looking whether|Asking for|Waiting for {HERE.scheduler} to) .*\n", "", printed, flags=re.MULTILINE
    )
    assert re.fullmatch(pattern_of(transcript), printed), notebook.output


def test_the_guides_list_is_what_a_user_reads(started: dict[str, bed.Notebook]) -> None:
    shown = re.search(r"\$ start-jupyter list\n(.*?)\n +\$ start-jupyter stop", GUIDE, re.DOTALL)
    assert shown
    heads = shown[1].splitlines()[0].split()
    listed = HERE.run("start-jupyter list", "bob").splitlines()
    assert listed[0].split() == heads == ["NAME", "JOB", "LEFT", "STATE"]
    for notebook in started.values():
        (line,) = [line for line in listed if line.startswith(notebook.name)]
        assert re.fullmatch(rf"{notebook.name} +{notebook.job} +(\d+ min|1 h 00 min) +ready", line), line


def test_the_guides_stop_is_what_a_user_reads(started: dict[str, bed.Notebook]) -> None:
    notebook = started[""]
    assert "briar-veal-movable (job 4712) is stopped." in GUIDE
    said = HERE.run(f"start-jupyter stop {notebook.name.rpartition('-')[0]}", "bob")
    assert said == f"{notebook.name} (job {notebook.job}) is stopped.\n"
    assert bed.status_of(notebook.name) == httpx.codes.NOT_FOUND


def test_what_has_ended_is_told_with_its_end_and_starts_once_more(started: dict[str, bed.Notebook]) -> None:
    ended = started["-d ~ -p debug -t 30"]
    HERE.run(f"start-jupyter stop {ended.name}", "bob")
    listed = HERE.run("start-jupyter list -a", "bob")
    (line,) = [line for line in listed.splitlines() if line.startswith(ended.name)]
    when = r"ended (\d\d \w{3} )?\d\d:\d\d after \d+ (s|min): stopped with start-jupyter stop"
    assert re.fullmatch(rf"{ended.name} +{ended.job} +- +{when}", line), line
    done = bed.run(HERE.login, f"start-jupyter again {ended.name} -t 1:15 -q", user="bob", check=False)
    # That partition gives an hour at most.
    assert (done.returncode, done.stdout) == (ExitStatus.PARTITION, ""), done.stderr
    again = HERE.notebook("bob", HERE.run(f"start-jupyter again {ended.name} -t 20m", "bob"))
    try:
        assert "Again: start-jupyter --dir=/home/bob --time=20 --partition=debug\n" in again.output
        job = HERE.job(again.job)
        assert job
        assert (job.partition, job.minutes) == ("debug", 20)
        assert bed.answers(again)
    finally:
        HERE.stop(again)


def test_the_link_is_printed_again_and_its_log_shown(started: dict[str, bed.Notebook]) -> None:
    notebook = started["-d ~ -A ddp363 -p compute -t 60"]
    assert notebook.url in HERE.run(f"start-jupyter open {notebook.name}", "bob")
    assert " is open." in HERE.run(f"start-jupyter logs {notebook.name}", "bob")


def test_the_doctor_finds_nothing_wrong() -> None:
    examined = HERE.run("start-jupyter doctor", "alice").splitlines()
    assert not [line for line in examined if line.startswith(("WRONG", "?"))], examined
