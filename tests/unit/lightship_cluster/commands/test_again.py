from __future__ import annotations

import json

import pytest

from lightship_cluster.commands.again import more_memory
from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from lightship_cluster.login.links import my_links
from unit.lightship_cluster.fake_login_node import LINK, READY, Login
from unit.lightship_cluster.fake_registry import Asked, Reply
from unit.lightship_cluster.login.test_links import made


def run(*argv: str) -> ExitStatus:
    return start_jupyter.main(argv)


@pytest.fixture
def started(login: Login, monkeypatch: pytest.MonkeyPatch) -> Login:
    """A link that was started from a folder with relative paths, and has ended."""
    (login.path / "work" / "data").mkdir(parents=True)
    monkeypatch.chdir(login.path / "work")
    assert run("-d", "data", "-p", "compute", "-A", "abc123", "-m", "16G", "45", "--", "--exclusive") is ExitStatus.OK
    (login.path / "sbatch.noted").unlink()
    for name in ("secret", "token"):
        (login.root / "one-two-three" / name).unlink()
    login.registry.replies["links"] = (
        201,
        {**LINK, "name": "four-five-six", "url": "https://four-five-six.example.org"},
    )
    login.registry.replies["four-five-six"] = (200, {**READY, "name": "four-five-six"})
    monkeypatch.chdir(login.path)
    return login


def told(login: Login) -> str:
    asked = [asked for asked in login.registry.asked if asked.path.endswith("/links")]
    return str(asked[-1].json["command"])


@pytest.mark.parametrize("name", [(), ("one-two-three",), ("one",)])
def test_what_was_typed_is_started_once_more(
    started: Login, capsys: pytest.CaptureFixture[str], name: tuple[str, ...]
) -> None:
    assert run("again", *name) is ExitStatus.OK
    words = started.submitted().splitlines()

    assert {"--partition=compute", "--account=abc123", "--mem=16384M", "--time=45", "--exclusive"} <= set(words)
    # As seen from where it was typed.
    assert f"--chdir={started.path}/work/data" in words
    command = "start-jupyter -d data -p compute -A abc123 -m 16G 45 -- --exclusive"
    assert told(started) == command
    printed = capsys.readouterr()
    assert "https://four-five-six.example.org?token=" in printed.out
    assert f"Again: {command}\n" in printed.err


def test_a_link_that_was_started_again_can_be_started_again(started: Login) -> None:
    assert run("again") is ExitStatus.OK
    for name in ("secret", "token"):
        (started.root / "four-five-six" / name).unlink()
    started.registry.replies["links"] = (201, {**LINK, "name": "one-zoo-ten", "url": "https://one-zoo-ten.example.org"})
    started.registry.replies["one-zoo-ten"] = (200, READY)

    assert run("again", "four") is ExitStatus.OK
    assert json.loads((started.root / "one-zoo-ten" / "link.json").read_text())["words"][:2] == ["-d", "data"]


def test_another_time_may_be_said(started: Login) -> None:
    assert run("again", "-t", "2h") is ExitStatus.OK
    words = started.submitted().splitlines()

    assert {"--time=120", "--partition=compute", "--mem=16384M", "--exclusive"} <= set(words)
    assert told(started) == (
        "start-jupyter --dir=data --time=120 --partition=compute --account=abc123 --memory=16384M -- --exclusive"
    )


def ended(login: Login, cause: str) -> None:
    login.registry.replies["one-two-three"] = (200, {"state": "ended", "ended": 1795852800, "ready": 0, "cause": cause})


def make(login: Login, name: str) -> None:
    login.registry.replies["links"] = (201, {**LINK, "name": name, "url": f"https://{name}.example.org"})


LESS = "one-two-three ran out of memory, and this one gets the same"
ADVICE = f"{LESS}, 16 GiB. For twice as much, stop it and run: start-jupyter again -m 32G one-two-three"


def test_after_one_that_ran_out_of_memory_it_is_said_how_to_ask_for_more(
    started: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(started, "out-of-memory")
    assert run("again") is ExitStatus.OK
    assert f"{ADVICE}\n" in capsys.readouterr().err
    assert "--mem=16384M" in started.submitted().splitlines()
    # It is known from then on.
    del started.registry.replies["one-two-three"]
    for name in ("one-zoo-ten", "two-zoo-ten"):
        started.registry.replies[name] = (200, {**READY, "name": name})
    make(started, "one-zoo-ten")
    assert run("again", "one-two", "--json") is ExitStatus.OK
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {"event": "note", "words": ADVICE}
    make(started, "two-zoo-ten")
    assert run("again", "one-two", "-q") is ExitStatus.OK
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("memory", ["32G", "8G"])
def test_another_amount_of_memory_may_be_said(started: Login, capsys: pytest.CaptureFixture[str], memory: str) -> None:
    ended(started, "out-of-memory")
    assert run("again", "-m", memory) is ExitStatus.OK
    assert f"--mem={int(memory[:-1]) * 1024}M" in started.submitted().splitlines()
    assert f"--memory={int(memory[:-1]) * 1024}M" in told(started)
    assert LESS not in capsys.readouterr().err


@pytest.mark.parametrize("cause", ["cancelled", "time-limit", "failed"])
def test_after_another_end_nothing_is_said_of_memory(
    started: Login, capsys: pytest.CaptureFixture[str], cause: str
) -> None:
    ended(started, cause)
    assert run("again") is ExitStatus.OK
    assert "memory" not in capsys.readouterr().err.replace("-m 16G", "")


@pytest.mark.parametrize(
    ("mebibytes", "had", "advised"),
    [
        (0, "the same.", "such as 16 GiB, stop it and run: start-jupyter again -m 16G one-two-three"),
        (500, "the same, 500 MiB.", "start-jupyter again -m 1000M one-two-three"),
        (1536, "the same, 1.5 GiB.", "start-jupyter again -m 3G one-two-three"),
    ],
)
def test_the_amount_that_is_advised_is_one_that_can_be_typed(
    started: Login, mebibytes: int, had: str, advised: str
) -> None:
    (link,) = my_links(started.root)
    advice = more_memory(link, mebibytes)
    assert had in advice
    assert advice.endswith(advised)


@pytest.mark.usefixtures("started")
def test_how_it_is_printed_is_for_this_time(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("again", "--json") is ExitStatus.OK
    printed = capsys.readouterr()

    assert [json.loads(line)["event"] for line in printed.out.splitlines()] == ["link", "job", "ready"]
    assert printed.err == ""


def test_whoever_has_one_that_lives_must_name_it_to_get_another(
    started: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    (started.root / "one-two-three" / "secret").touch(mode=0o600)

    assert run("again") is ExitStatus.USAGE
    assert "start-jupyter open one-two-three" in capsys.readouterr().err
    assert not started.submitted()
    assert run("again", "one-two-three") is ExitStatus.OK


def test_one_whose_node_died_has_ended(started: Login) -> None:
    (started.root / "one-two-three" / "secret").touch(mode=0o600)
    started.registry.replies["one-two-three"] = (200, {"state": "ended"})

    assert run("again") is ExitStatus.OK


def test_a_folder_that_is_gone_is_said_with_what_to_type(started: Login, capsys: pytest.CaptureFixture[str]) -> None:
    (started.path / "work" / "data").rmdir()
    (started.path / "work").rmdir()

    assert run("again", "--json") is ExitStatus.FOLDER
    printed = capsys.readouterr()
    assert "and type: start-jupyter -d data -p compute" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["event"] == "failed"
    assert not started.submitted()


@pytest.mark.parametrize(
    ("metadata", "status", "words"),
    [
        ({}, ExitStatus.NO_LINK, "What was typed for amber-two-three was not kept"),
        ({"words": "-p x"}, ExitStatus.NO_LINK, "What was typed for amber-two-three was not kept"),
        ({"words": ["-p", 5]}, ExitStatus.NO_LINK, "What was typed for amber-two-three was not kept"),
        ({"words": [], "cluster": "comet"}, ExitStatus.NO_LINK, "on the cluster comet. Start it again there."),
    ],
)
def test_what_cannot_be_repeated_is_refused(
    login: Login, capsys: pytest.CaptureFixture[str], metadata: dict[str, object], status: ExitStatus, words: str
) -> None:
    made(login.root, "amber-two-three", 1, alive=False, **metadata)

    assert run("again") is status
    assert words in capsys.readouterr().err
    assert not login.registry.asked


def test_nothing_to_start_again_is_said(login: Login, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("again") is ExitStatus.NO_LINK
    assert "You have not started anything yet." in capsys.readouterr().err
    assert list((login.path / "home").iterdir()) == []


def test_a_secret_on_the_command_line_is_not_kept(login: Login) -> None:
    run("--title", "token=5e5e")
    metadata = json.loads((login.root / "one-two-three" / "link.json").read_text())
    assert not {"words", "typed_in"} & metadata.keys()


def test_a_refused_repetition_leaves_nothing(started: Login, capsys: pytest.CaptureFixture[str]) -> None:
    def full(_asked: Asked) -> Reply:
        return 429, {"code": "quota", "error": "Too many."}

    started.registry.replies["links"] = full
    assert run("again") is ExitStatus.REFUSED
    assert "Too many." in capsys.readouterr().err
    assert not started.submitted()
