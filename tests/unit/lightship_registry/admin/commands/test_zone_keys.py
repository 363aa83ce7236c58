"""The zone's keys in a backup, and back on a new host, whose zone the parent domain's DS record does not fit."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lightship_registry.admin import archive, service_control, zone_keys
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.admin.conftest import Desk

KEY, OTHER = "Knotebooks.test.+013+12345", "Knotebooks.test.+013+00678"
KINDS = ("key", "private", "state")
NAME_SERVER = "named.service"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """BIND's folder with a key, and a signed zone beside it."""
    folder = tmp_path / "lightship" / "keys"
    folder.mkdir(parents=True)
    for kind in KINDS:
        (folder / f"{KEY}.{kind}").write_text(f"the {kind}")
    (folder.parent / "notebooks.test.zone.signed").write_text("signed with it")
    monkeypatch.setattr(zone_keys, "FOLDER", folder)
    return folder


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What systemd was asked for."""
    asked: list[tuple[str, ...]] = []

    def done(*words: str) -> bool:
        asked.append(words)
        return True

    monkeypatch.setattr(service_control, "done", done)
    return asked


def backup(desk: Desk, tmp_path: Path) -> Path:
    file = tmp_path / "backup.tar.gz"
    assert desk.run("backup", str(file)) == ExitStatus.OK, desk.err
    return file


def test_a_backup_holds_the_keys_and_nothing_else_of_the_folder(desk: Desk, folder: Path, tmp_path: Path) -> None:
    (folder / "Kwrong").write_text("no key")
    with backup(desk, tmp_path).open("rb") as opened:
        names = archive.check(opened).files
        assert {name for name in names if name.startswith("zone")} == {f"zone_keys/{KEY}.{kind}" for kind in KINDS}
        assert archive.contents(opened, "zone_keys")[f"{KEY}.private"] == b"the private"


def test_a_file_that_is_not_binds_gets_into_no_backup(desk: Desk, folder: Path, tmp_path: Path) -> None:
    (folder / f"{OTHER}.private").symlink_to("/etc/shadow")
    assert desk.run("backup", str(tmp_path / "b")) == ExitStatus.FAILED
    assert not (tmp_path / "b").exists()
    (folder / f"{OTHER}.private").unlink()
    (folder / f"{OTHER}.private").mkdir()
    assert desk.run("backup", str(tmp_path / "b")) == ExitStatus.FAILED


@pytest.mark.usefixtures("calls")
def test_a_restore_leaves_the_keys_alone_unless_it_is_told_to(desk: Desk, folder: Path, tmp_path: Path) -> None:
    file = backup(desk, tmp_path)
    (folder / f"{KEY}.private").write_text("newer")
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    assert (folder / f"{KEY}.private").read_text() == "newer"


def test_a_new_host_signs_with_the_keys_of_the_backup(
    desk: Desk, folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    file = backup(desk, tmp_path)
    for path in folder.iterdir():
        path.rename(folder / path.name.replace(KEY, OTHER))
    assert desk.run("restore", str(file), "--yes", "--zone-keys") == ExitStatus.OK, desk.err
    assert [call for call in calls if "named.service" in call] == [
        ("stop", "named.service"),
        ("start", "named.service"),
    ]
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        f"{KEY}.{kind}": f"the {kind}" for kind in KINDS
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (before,) = folder.parent.glob("keys-before-restore-*")
    kept = {path.name for path in before.iterdir()}
    assert kept == {*(f"{OTHER}.{kind}" for kind in KINDS), "notebooks.test.zone.signed"}
    assert "ansible-playbook site.yml --tags dns_zone" in desk.out
    assert str(before) in desk.out


def test_keys_that_cannot_be_put_back_are_refused_before_anything_changes(
    desk: Desk, folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    file = backup(desk, tmp_path)
    folder.rename(folder.parent / "elsewhere")
    assert desk.run("restore", str(file), "--yes", "--zone-keys") == ExitStatus.FAILED
    assert "Set dns_zone_dnssec to true" in desk.err
    file.unlink()
    without = backup(desk, tmp_path)
    (folder.parent / "elsewhere").rename(folder)
    assert desk.run("restore", str(without), "--yes", "--zone-keys") == ExitStatus.FAILED
    assert "The backup has no keys of the zone" in desk.err
    assert calls == []


@pytest.mark.parametrize(("fails", "said"), [("stop", "cannot be stopped"), ("start", "does not start")])
def test_a_name_server_that_does_not_obey_is_named(
    folder: Path, fails: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_control, "done", lambda verb, _: verb != fails)
    with pytest.raises(RegistryError, match=said):
        zone_keys.put_back({}, "before-restore-now")
    assert (folder / f"{KEY}.private").exists() == (fails == "stop")
