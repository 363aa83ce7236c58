"""The manual, read by the real man."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import write_manual

from lightship_cluster.config.options import COMMANDS, OPTIONS, SETTINGS
from lightship_cluster.core.errors import ExitStatus
from lightship_cluster.login.help_text import heading


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("dist")
    assert write_manual.main(["--dist", str(folder)]) == 0
    return formatted(folder / "start-jupyter.1")


def formatted(path: Path) -> str:
    environment = {"MANWIDTH": "1000", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    command = ["man", "--warnings", "--nj", "--nh", "--local-file", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_it_tells_of_every_option_command_key_and_status(page: str) -> None:
    lines = [line.strip() for line in page.splitlines()]

    assert [heading(option) for option in OPTIONS if not any(line.startswith(heading(option)) for line in lines)] == []
    assert [name for name in COMMANDS if not any(line.startswith(name) for line in lines)] == []
    assert all(name in page.split("The keys are:")[1] for name in SETTINGS)
    assert len(write_manual._statuses()) == len(ExitStatus)


def test_the_same_sources_give_the_same_bytes() -> None:
    assert write_manual.content() == write_manual.content()
    assert "\n.\n" not in write_manual.content()


def test_nothing_of_markdown_is_left(page: str) -> None:
    assert not re.search(r"\]\(|`|\*\*|(?<![\w*])\*\w", page)
    assert "name another environment" in page


def test_words_lose_their_marks_and_nothing_else() -> None:
    text = "[another environment](#environments), `-p`, **all** of *them*: [OPTION]... 2*3*4 comet-ln* login?.*"
    assert write_manual._plain(text) == "another environment, -p, all of them: [OPTION]... 2*3*4 comet-ln* login?.*"
