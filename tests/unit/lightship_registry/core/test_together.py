from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_registry.core import together
from lightship_registry.core.together import settle, write_together


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.crt", "a.key", "b.key"):
        (tmp_path / name).write_text(f"old {name}")
    return tmp_path


def shown(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".") and path.exists()}


OLD = {name: f"old {name}" for name in ("a.crt", "a.key", "b.key")}
CHANGE: dict[str, bytes | None] = {"a.crt": b"new", "a.key": b"new", "b.key": None, "c.crt": b"new"}
NEW = {"a.crt": "new", "a.key": "new", "c.crt": "new"}


def test_files_are_written_and_removed_and_are_ordinary_ones(folder: Path) -> None:
    write_together(folder, CHANGE)
    assert shown(folder) == NEW
    assert {path.name for path in folder.iterdir()} == NEW.keys()
    modes = {path.name: path.lstat().st_mode & 0o7777 for path in folder.iterdir()}
    assert modes == {"a.crt": 0o644, "a.key": 0o600, "c.crt": 0o644}
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_at_each_moment_all_are_old_or_all_are_new(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    for name in ("replace", "unlink", "symlink", "mkdir", "rmdir", "fsync"):
        real = getattr(os, name)

        def change(*arguments: object, real: object = real) -> object:
            seen.append(shown(folder))
            return real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(os, name, change)
    write_together(folder, CHANGE)
    new = seen.index(NEW)
    assert new > 5
    assert seen == [OLD] * new + [NEW] * (len(seen) - new)


@pytest.mark.parametrize("side", [together.BEFORE, together.AFTER])
def test_what_an_interrupted_change_shows_is_kept_and_the_rest_is_removed(folder: Path, side: str) -> None:
    for name, text in ((together.BEFORE, "before"), (together.AFTER, "after")):
        (folder / name).mkdir()
        (folder / name / "a.key").write_text(text)
    (folder / together.AFTER / "new.key").write_text("after")
    (folder / together.SWITCH).symlink_to(side)
    for name in ("a.key", "new.key"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(f"{together.SWITCH}/{name}")
    (folder / ".tmp-0123").write_text("half a key")
    settle(folder)
    here = {"a.key": side.strip("."), **({"new.key": "after"} if side == together.AFTER else {})}
    assert shown(folder) == {**OLD, **here}
    assert {path.name for path in folder.iterdir()} == OLD.keys() | here.keys()


def test_links_of_somebody_elses_making_are_left_alone(folder: Path) -> None:
    (folder / "own").symlink_to("a.crt")
    settle(folder)
    assert (folder / "own").is_symlink()
