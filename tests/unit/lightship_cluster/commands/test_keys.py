from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login import start_jupyter
from lightship_cluster.login.public_keys import fingerprint_of
from unit.lightship_cluster.fake_login_node import Login
from unit.lightship_cluster.fake_registry import Asked, Reply
from unit.lightship_cluster.login.test_public_keys import public_key

LAPTOP, DESK = "SHA256:" + "Lap" * 14 + "L", "SHA256:" + "Des" * 14 + "D"
NO_ADDRESS = "Your administrators have not given you an address to listen at, so your keys open no tunnel yet.\n"
OPENS = "To open a tunnel, on the machine that has the private key and the notebook:\n"
WAY = "    ssh -N -R localhost:8888:localhost:8888 lightship-tunnel@notebooks.example.org\n"


def entry(fingerprint: str, comment: str, kind: str = "ssh-ed25519") -> dict[str, Any]:
    added = int(time.mktime((2026, 9, 22, 12, 0, 0, 0, 0, -1)))
    return {"fingerprint": fingerprint, "type": kind, "comment": comment, "added": added}


@pytest.fixture
def keys(login: Login) -> dict[str, Any]:
    """The fake registry's answer; tests change it."""
    answer: dict[str, Any] = {
        "keys": [entry(LAPTOP, "alice@laptop"), entry(DESK, "", "ssh-rsa")],
        "listen": ["localhost:8888"],
        "destination": "lightship-tunnel@notebooks.example.org",
    }
    login.registry.replies.update(keys=(200, answer), remove=(200, answer))
    return answer


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


@pytest.fixture
def err(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().err


def sent(login: Login) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in login.registry.asked]


@pytest.mark.usefixtures("keys")
def test_keys_are_listed_and_then_what_they_open(out: Callable[[], str]) -> None:
    assert start_jupyter.main(["keys"]) is ExitStatus.OK

    assert out() == (
        f"{'KEY':50}  TYPE         COMMENT       ADDED\n"
        f"{LAPTOP}  ssh-ed25519  alice@laptop  2026-09-22\n"
        f"{DESK}  ssh-rsa                    2026-09-22\n"
        f"\n{OPENS}{WAY}"
    )


def test_every_place_has_its_command(keys: dict[str, Any], out: Callable[[], str]) -> None:
    keys["listen"] = ["localhost:8888", "*:9000", "[::1]:9001"]

    assert start_jupyter.main(["keys"]) is ExitStatus.OK
    assert out().endswith(
        f"{OPENS}{WAY}"
        "    ssh -N -R '*:9000:localhost:9000' lightship-tunnel@notebooks.example.org\n"
        "    ssh -N -R '[::1]:9001:localhost:9001' lightship-tunnel@notebooks.example.org\n"
    )


def test_keys_without_a_place_open_nothing(keys: dict[str, Any], out: Callable[[], str]) -> None:
    keys["listen"] = []

    assert start_jupyter.main(["keys"]) is ExitStatus.OK
    assert out().endswith(f"\n\n{NO_ADDRESS}")


def test_without_keys_it_is_said_how_to_add_one(keys: dict[str, Any], out: Callable[[], str]) -> None:
    keys["keys"] = []

    assert start_jupyter.main(["keys"]) is ExitStatus.OK
    first, rest = out().split("\n\n")
    assert first.startswith("You have no keys. start-jupyter keys --add ~/.ssh/id_ed25519.pub adds one")
    assert rest == f"{OPENS}{WAY}"


@pytest.mark.usefixtures("keys")
def test_a_narrow_terminal_gets_what_fits(monkeypatch: pytest.MonkeyPatch, out: Callable[[], str]) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 24)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    start_jupyter.main(["keys"])

    assert out().splitlines()[:5] == [
        LAPTOP[:40],
        "  ssh-ed25519, alice@laptop, added",
        "  2026-09-22",
        DESK[:40],
        "  ssh-rsa, added 2026-09-22",
    ]


def test_nothing_of_a_key_drives_a_terminal(keys: dict[str, Any], out: Callable[[], str]) -> None:
    keys["keys"] = [entry(LAPTOP, "\x1b]0;title\x07a\nb\tc\u202e" + "x" * 40)]

    assert start_jupyter.main(["keys"]) is ExitStatus.OK
    listed = out()
    assert listed.replace("\n", "").isprintable()
    assert f"  ]0;titlea b c{'x' * 14}...  2026" in listed


@pytest.mark.parametrize("argv", [["keys"], ["keys", "--remove", "alice@laptop"]])
def test_a_program_gets_the_registrys_answer(keys: dict[str, Any], out: Callable[[], str], argv: list[str]) -> None:
    assert start_jupyter.main([*argv, "--json"]) is ExitStatus.OK
    (line,) = out().splitlines()

    assert json.loads(line) == keys


def test_a_key_is_added_from_its_file(
    login: Login, keys: dict[str, Any], tmp_path: Path, out: Callable[[], str]
) -> None:
    key = public_key()
    (tmp_path / "id.pub").write_text(f"{key} alice@desk\n")
    keys["keys"].append(entry(fingerprint_of(key), "alice@desk"))

    assert start_jupyter.main(["keys", "--add", str(tmp_path / "id.pub")]) is ExitStatus.OK
    assert out() == f"Added {fingerprint_of(key)} (alice@desk).\n{OPENS}{WAY}"
    assert sent(login) == ["POST /v1/keys"]
    assert login.registry.asked[0].json["key"] == f"{key} alice@desk"


def test_a_key_that_opens_nothing_yet_is_added_all_the_same(
    keys: dict[str, Any], tmp_path: Path, out: Callable[[], str]
) -> None:
    keys["listen"] = []
    (tmp_path / "id.pub").write_text(public_key())

    assert start_jupyter.main(["keys", "--add", str(tmp_path / "id.pub")]) is ExitStatus.OK
    assert out() == f"Added {fingerprint_of(public_key())}.\n{NO_ADDRESS}"


@pytest.mark.usefixtures("keys")
def test_a_private_key_goes_nowhere(login: Login, tmp_path: Path, err: Callable[[], str]) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n")

    assert start_jupyter.main(["keys", "--add", str(tmp_path / "id")]) is ExitStatus.KEY
    assert "is the private key, which nobody else may ever see. Nothing was sent." in err()
    assert login.registry.asked == []


@pytest.mark.parametrize(
    "wanted", [LAPTOP, LAPTOP[:10], LAPTOP[7:], LAPTOP[7:9], "alice@laptop"], ids=lambda wanted: wanted[:9]
)
@pytest.mark.usefixtures("keys")
def test_a_key_is_removed_by_what_it_is_known_by(login: Login, out: Callable[[], str], wanted: str) -> None:
    assert start_jupyter.main(["keys", "--remove", wanted]) is ExitStatus.OK

    assert out() == f"Removed {LAPTOP} (alice@laptop); a tunnel that is open stays open until its ssh ends.\n"
    assert sent(login)[1:] == ["POST /v1/keys/remove"]
    assert login.registry.asked[1].json["fingerprint"] == LAPTOP


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("bob@laptop", "You have no key 'bob@laptop'. List them with start-jupyter keys."),
        ("alice", "You have no key 'alice'."),
        ("SHA256:", "You have no key 'SHA256:'."),
        ("same", f"'same' means several of your keys: {LAPTOP}, {DESK}. Type more of the fingerprint."),
    ],
)
def test_what_is_not_exactly_one_key_is_not_removed(
    login: Login, keys: dict[str, Any], err: Callable[[], str], wanted: str, words: str
) -> None:
    if wanted == "same":
        keys["keys"] = [entry(LAPTOP, "same"), entry(DESK, "same")]

    assert start_jupyter.main(["keys", "--remove", wanted]) is ExitStatus.KEY
    assert words in err()
    assert len(sent(login)) == 1


@pytest.mark.usefixtures("keys")
def test_adding_and_removing_do_not_go_together(login: Login, err: Callable[[], str]) -> None:
    assert start_jupyter.main(["keys", "--add", "a", "--remove", "b"]) is ExitStatus.USAGE
    assert err() == "start-jupyter: Give --add or --remove, not both.\n"
    assert login.registry.asked == []


@pytest.mark.parametrize("option", ["--add", "--remove"])
@pytest.mark.usefixtures("keys")
def test_an_empty_variable_of_a_script_names_nothing(login: Login, err: Callable[[], str], option: str) -> None:
    with pytest.raises(SystemExit):
        start_jupyter.main(["keys", option, ""])
    assert "nothing is named" in err()
    assert login.registry.asked == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((404, {"code": "no-such-address", "error": "There is nothing here."}), "registry is older than this command"),
        ((429, {"code": "too-many-keys", "error": "You have 10 keys."}), "You have 10 keys."),
    ],
)
def test_a_registry_that_refuses_is_heard(login: Login, err: Callable[[], str], reply: Reply, words: str) -> None:
    def refuse(_asked: Asked) -> Reply:
        return reply

    login.registry.replies["keys"] = refuse

    assert start_jupyter.main(["keys"]) is ExitStatus.REFUSED
    assert words in err()
