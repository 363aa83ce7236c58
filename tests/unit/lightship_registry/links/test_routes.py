from __future__ import annotations

from pathlib import Path

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.links.routes import Routes


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_write_and_remove(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    routes.write("one-two-three", "https://10.0.0.1:4000")
    assert content(tmp_path) == {"one-two-three": "https://10.0.0.1:4000\n"}
    assert (tmp_path / "one-two-three").stat().st_mode & 0o777 == 0o640
    routes.remove("one-two-three")
    routes.remove("one-two-three")
    assert content(tmp_path) == {}


LIVE = {
    "one-one-one": "https://10.0.0.1:4000",
    "two-two-two": "http://10.0.0.2:5000",
    "six-six-six": "https://[fd00::1]:4000",
}


def test_reconcile(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    for name in ("one-one-one", "two-two-two"):
        routes.write(name, LIVE[name])
    (tmp_path / "old-old-old").write_text("https://10.0.0.9:1\n")
    (tmp_path / ".tmp-left").write_text("half")
    untouched = (tmp_path / "one-one-one").stat().st_ino
    assert routes.reconcile(LIVE, {}) == [".tmp-left", "old-old-old", "six-six-six"]
    assert content(tmp_path) == {name: f"{route}\n" for name, route in LIVE.items()}
    assert (tmp_path / "one-one-one").stat().st_ino == untouched
    assert routes.reconcile(LIVE, {}) == []


def test_restore_trusts_no_file(tmp_path: Path) -> None:
    (tmp_path / "one-one-one").write_text("https://10.6.6.6:6666\n")
    (tmp_path / "old-old-old").write_text("https://10.0.0.9:1\n")
    Routes(tmp_path).restore(LIVE, {})
    assert content(tmp_path) == {name: f"{route}\n" for name, route in LIVE.items()}


def test_spared_routes_stay_but_are_not_opened(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    silent = {"nil-nil-nil": "https://10.0.0.7:7000", "ill-ill-ill": "https://10.0.0.8:8000"}
    (tmp_path / "nil-nil-nil").write_text("https://10.6.6.6:6666\n")
    assert routes.differing({}, silent) == ["nil-nil-nil"]
    assert routes.reconcile({}, silent) == []
    routes.restore({}, silent)
    assert content(tmp_path) == {"nil-nil-nil": "https://10.0.0.7:7000\n"}, "no file's content is trusted"
    assert routes.differing({}, silent) == []


def test_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="systemd-tmpfiles"):
        Routes(tmp_path / "none").require_folder()
