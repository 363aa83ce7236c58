from __future__ import annotations

import gzip
import io
import json
import sqlite3
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.admin import archive, service_control
from lightship_registry.admin.restored_store import GRACE_SECONDS
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.records import Cause, Ending, LinkRequest, Owner
from lightship_registry.core.ssh_keys import parse
from lightship_registry.links import names
from lightship_registry.links.parts import build_links
from lightship_registry.links.reconciler import SILENCE_SECONDS
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.keys import new_key


@pytest.fixture
def file(desk: Desk, tmp_path: Path) -> Path:
    """Return a backup with one link that is ready, one that starts and one that waits."""
    desk.published()
    desk.testbed.claim(desk.testbed.create("bob"))
    desk.testbed.create("carol")
    path = tmp_path / "backup.tar.gz"
    assert desk.run("backup", str(path)) == ExitStatus.OK, desk.err
    return path


def by_user(desk: Desk) -> dict[str, dict[str, Any]]:
    assert desk.run("links", "--all", "--json") == ExitStatus.OK, desk.err
    return {link["user"]: link for link in json.loads(desk.out)}


def forge(path: Path, *members: tuple[str, bytes], manifest: dict[str, Any] | None = None) -> None:
    """Write an archive that no backup would make."""
    with tarfile.open(path, "w:gz") as out:
        content = [("manifest.json", json.dumps(manifest).encode())] if manifest is not None else []
        for name, data in [*content, *members]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


def test_a_backup_holds_everything_and_only_root_reads_it(desk: Desk, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open("rb") as opened:
        manifest = archive.check(opened)
    assert manifest.domain == "notebooks.test"
    assert manifest.files.keys() == {
        "registry.toml",
        "clusters/demo.key",
        "clusters/other.key",
        "state/registry.sqlite3",
        *(f"state/authorities/{name}" for name in ("links.crt", "links.key", "proxy.crt", "proxy.key")),
        "state/authorities/links-trusted.crt",
        *(f"state/web_proxy/{name}" for name in ("client.crt", "client.key")),
    }
    assert [path for path in desk.testbed.settings.folders.state_dir.iterdir() if path.name.startswith(".")] == []


def test_a_backup_replaces_no_file(desk: Desk, file: Path) -> None:
    assert desk.run("backup", str(file)) == ExitStatus.FAILED
    assert "is there already" in desk.err


def test_a_damaged_store_gives_no_backup(desk: Desk, tmp_path: Path) -> None:
    desk.testbed.engine.dispose()
    desk.testbed.settings.store_file.write_bytes(b"nonsense " * 1000)
    assert desk.run("backup", str(tmp_path / "b")) == ExitStatus.FAILED
    assert "cannot be copied" in desk.err
    assert not (tmp_path / "b").exists()


def test_a_restore_on_the_same_host_disturbs_no_notebook_that_runs(desk: Desk, file: Path) -> None:
    routes = desk.testbed.routes
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    assert desk.testbed.routes == routes
    assert {user: link["state"] for user, link in by_user(desk).items()} == {
        "alice": "ready",
        "bob": "starting",
        "carol": "waiting",
    }
    assert desk.orders == {}


def test_what_ended_since_the_backup_stays_ended(desk: Desk, file: Path) -> None:
    desk.run("revoke", "--user", "alice", "--yes")
    desk.run("restore", str(file), "--yes")
    alice = by_user(desk)["alice"]
    assert (alice["state"], alice["cause"]) == ("ended", "revoked")
    assert desk.testbed.routes == {}


def test_on_an_empty_host_links_have_no_route_until_they_are_heard_of(desk: Desk, file: Path) -> None:
    desk.testbed.engine.dispose()
    store = desk.testbed.settings.store_file
    store.unlink()
    for route in desk.testbed.settings.folders.routes_dir.iterdir():
        route.unlink()
    # A backup of yesterday: all leases are over.
    _age(file, desk)
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    assert "could not be read" in desk.out
    found = by_user(desk)
    assert found["bob"]["cause"] == "ended"
    assert "restored from a backup" in found["bob"]["reason"]
    assert (found["alice"]["state"], found["carol"]["state"]) == ("ready", "waiting")
    assert desk.testbed.routes == {}
    left = found["alice"]["lease_until"] + SILENCE_SECONDS - desk.testbed.clock()
    assert abs(left - GRACE_SECONDS) < 60


def test_where_only_the_store_was_lost_what_is_open_stays_open(desk: Desk, file: Path) -> None:
    desk.testbed.engine.dispose()
    desk.testbed.settings.store_file.write_bytes(b"no database any more" * 1000)
    routes = desk.testbed.routes
    _age(file, desk)
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    found = by_user(desk)
    assert found["alice"]["state"] == "ready"
    assert desk.testbed.routes == {found["alice"]["name"]: routes[found["alice"]["name"]]}


def test_a_link_in_the_clear_is_not_trusted_after_an_outage(desk: Desk, tmp_path: Path) -> None:
    parts, now = desk.testbed.parts, desk.testbed.clock()
    name = parts.satellite_links.create(Owner("demo", "satellite:10.1.0.1"), LinkRequest(7200))[0].name
    made = parts.store.get(name)
    parts.publisher.announce(made, "10.1.2.9:8888")
    parts.publisher.publish(made, "10.1.2.9:8888")
    assert desk.testbed.routes[made.name] == "http://10.1.2.9:8888\n"
    desk.testbed.change({"name": made.name}, lease_until=now - 60)
    assert desk.run("backup", str(tmp_path / "clear")) == ExitStatus.OK
    assert desk.run("restore", str(tmp_path / "clear"), "--yes") == ExitStatus.OK, desk.err
    found = by_user(desk)["satellite:10.1.0.1"]
    assert (found["state"], "restored from a backup" in found["reason"]) == ("ended", True)
    assert desk.testbed.routes == {}


def test_a_link_that_the_backup_does_not_know_loses_its_route_and_what_is_open(desk: Desk, file: Path) -> None:
    newer = desk.published("dan", 4999)
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK
    assert newer["name"] not in desk.testbed.routes
    assert desk.orders == {newer["name"]: "10.1.2.3:4999\n"}


def test_no_name_of_the_time_since_the_backup_is_given_again(desk: Desk, file: Path) -> None:
    given = {desk.testbed.create("erin")["name"] for _ in range(5)}
    desk.run("restore", str(file), "--yes")
    state = desk.testbed.settings.folders.state_dir
    assert len(names.read_series(state)) == 2
    series = names.read_series(state)[-1]
    assert series != 0
    assert {names.series_of(name) for name in given} == {0}
    links = build_links(desk.testbed.settings, desk.testbed.database, desk.testbed.clock).links
    assert links._maker._series == series
    assert {names.series_of(names.new_name(series)) for _ in range(20)} == {series}
    # Again, from the same backup: yet another one.
    desk.run("restore", str(file), "--yes")
    assert names.read_series(state)[:2] == (0, series)
    assert names.read_series(state)[-1] not in (0, series)


def test_the_authorities_are_those_of_the_backup_and_what_was_here_is_kept(desk: Desk, file: Path) -> None:
    state = desk.testbed.settings.folders.state_dir
    certificate = state / "authorities" / "links.crt"
    before = certificate.read_text()
    certificate.write_text("something else")
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK
    assert certificate.read_text() == before
    (kept,) = state.glob("before-restore-*")
    assert (kept / "authorities" / "links.crt").read_text() == "something else"
    assert (kept / "registry.sqlite3").exists()
    assert (kept / "registry.toml.of-backup").exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "authorities" / "links.key").stat().st_mode) == 0o600


def test_keys_that_were_revoked_since_come_back_only_when_asked_for(desk: Desk, file: Path) -> None:
    key = desk.testbed.settings.folders.clusters_dir / "demo.key"
    content = key.read_text()
    desk.run("keys", "revoke", "demo", "--yes")
    desk.run("restore", str(file), "--yes")
    assert not key.exists()
    assert desk.run("restore", str(file), "--yes", "--cluster-keys") == ExitStatus.OK
    assert key.read_text() == content
    assert stat.S_IMODE(key.stat().st_mode) == 0o640


def test_an_ssh_key_that_was_taken_back_since_stays_so(desk: Desk, tmp_path: Path) -> None:
    alice, lost, given = Owner("demo", "alice"), parse(new_key(tmp_path)), parse(new_key(tmp_path))
    desk.testbed.tunnels.add(alice, lost)
    file = tmp_path / "with-a-key.tar.gz"
    desk.run("backup", str(file))
    desk.testbed.tunnels.remove(alice, lost.fingerprint)
    desk.testbed.tunnels.add(alice, given)
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    assert [key.fingerprint for key in desk.testbed.tunnels.kept()] == [given.fingerprint]


def test_where_the_store_was_lost_the_ssh_keys_are_those_of_the_backup(desk: Desk, tmp_path: Path) -> None:
    key = parse(new_key(tmp_path))
    desk.testbed.tunnels.add(Owner("demo", "alice"), key)
    file = tmp_path / "with-a-key.tar.gz"
    desk.run("backup", str(file))
    desk.testbed.engine.dispose()
    desk.testbed.settings.store_file.unlink()
    assert desk.run("restore", str(file), "--yes") == ExitStatus.OK, desk.err
    assert "lightship ssh-keys" in desk.out
    assert [kept.fingerprint for kept in desk.testbed.tunnels.kept()] == [key.fingerprint]


def test_a_damaged_backup_changes_nothing(desk: Desk, file: Path, tmp_path: Path) -> None:
    before = desk.testbed.settings.store_file.read_bytes()
    raw = bytearray(gzip.decompress(file.read_bytes()))
    at = raw.index(b"SQLite format 3") + 20000
    raw[at] ^= 1
    (tmp_path / "damaged").write_bytes(gzip.compress(bytes(raw)))
    assert desk.run("restore", str(tmp_path / "damaged"), "--yes") == ExitStatus.FAILED
    assert "registry.sqlite3 is not what its manifest says" in desk.err
    (tmp_path / "short").write_bytes(file.read_bytes()[:2000])
    assert desk.run("restore", str(tmp_path / "short"), "--yes") == ExitStatus.FAILED
    assert desk.testbed.settings.store_file.read_bytes() == before
    assert list(desk.testbed.settings.folders.state_dir.glob("*before*")) == []


MANIFEST = {"format": 1, "version": "0", "time": 1, "domain": "notebooks.test", "store": "sqlite", "files": {}}


@pytest.mark.parametrize(
    ("members", "manifest", "sentence"),
    [
        ([("x", b"")], None, "does not begin with a manifest"),
        ([], {**MANIFEST, "format": 2}, "another version"),
        ([], {"format": 1}, "lacks something"),
        ([("../../etc/cron.d/x", b"x")], MANIFEST, "no part of a backup"),
        ([("/etc/passwd", b"x")], MANIFEST, "no part of a backup"),
        ([("state/authorities/../../x.key", b"x")], MANIFEST, "no part of a backup"),
        ([("registry.toml", b"x"), ("registry.toml", b"y")], MANIFEST, "no part of a backup"),
        ([("registry.toml", b"x")], MANIFEST, "registry.toml is not what its manifest says"),
        ([], {**MANIFEST, "files": {"state/registry.sqlite3": "00"}}, "registry.sqlite3 is not what"),
        ([], {**MANIFEST, "domain": "elsewhere.test"}, "a backup of elsewhere.test"),
    ],
)
def test_what_is_no_backup_of_this_host_is_refused(
    desk: Desk, tmp_path: Path, members: list[tuple[str, bytes]], manifest: dict[str, Any] | None, sentence: str
) -> None:
    forge(tmp_path / "forged", *members, manifest=manifest)
    assert desk.run("restore", str(tmp_path / "forged"), "--yes") == ExitStatus.FAILED
    assert sentence in desk.err


# One that systemd tries to start again and again is not at rest either.
@pytest.mark.parametrize("state", ["active", "activating"])
def test_a_service_that_runs_is_stopped_only_when_forced(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    calls: list[tuple[str, ...]] = []

    def systemctl(*arguments: str) -> str:
        calls.append(arguments)
        return state

    monkeypatch.setattr(service_control, "_systemctl", systemctl)
    before = desk.testbed.settings.store_file.read_bytes()
    assert desk.run("restore", str(file), "--yes") == ExitStatus.FAILED
    assert "--force" in desk.err
    assert desk.testbed.settings.store_file.read_bytes() == before
    calls.clear()
    assert desk.run("restore", str(file), "--yes", "--force") == ExitStatus.OK
    units = ("lightship-registry.socket", "lightship-registry.service")
    assert [call for call in calls if call[0] in ("stop", "start")] == [("stop", *units), ("start", *units)]


def test_where_systemd_says_nothing_nothing_is_replaced(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_control, "_systemctl", lambda *_: None)
    assert desk.run("restore", str(file), "--yes", "--force") == ExitStatus.FAILED
    assert "Nothing was changed" in desk.err


def test_a_restore_asks_first(desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert desk.run("restore", str(file)) == ExitStatus.DECLINED
    assert list(desk.testbed.settings.folders.state_dir.glob("before*")) == []


def test_a_swap_that_fails_half_way_is_undone(desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, count = Path.rename, [0]

    def failing(self: Path, target: Path) -> Path:
        count[0] += 1
        if count[0] == 4:
            raise OSError(28, "No space left on device", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert desk.run("restore", str(file), "--yes") == ExitStatus.FAILED
    monkeypatch.setattr(Path, "rename", rename)
    assert by_user(desk).keys() == {"alice", "bob", "carol"}
    assert (desk.testbed.settings.folders.state_dir / "authorities" / "links.key").exists()


def _age(file: Path, desk: Desk) -> None:
    """Make every lease in the backup one of yesterday, as it would be."""
    folder = file.parent / "opened"
    folder.mkdir()
    with file.open("rb") as opened:
        manifest = archive.unpack(opened, folder)
    database = sqlite3.connect(folder / archive.STORE)
    with database:
        database.execute("UPDATE links SET lease_until = ? WHERE lease_until > 0", (desk.testbed.clock() - 86400,))
    database.close()
    with file.open("wb") as out:
        archive.pack(out, manifest, {name: folder / name for name in manifest.files}, {})


def test_a_manifest_is_not_believed_about_the_store(desk: Desk, tmp_path: Path) -> None:
    # A store whose sum is right and whose content is not: nothing is changed.
    store = tmp_path / "store"
    store.write_bytes(b"nonsense " * 1000)
    manifest = archive.Manifest(1, "0", 1, "notebooks.test", "sqlite", {})
    with (tmp_path / "b").open("wb") as out:
        archive.pack(out, manifest, {archive.STORE: store, "registry.toml": desk.config}, {})
    assert desk.run("restore", str(tmp_path / "b"), "--yes") == ExitStatus.FAILED
    assert "The store in the backup" in desk.err
    assert desk.run("links") == ExitStatus.OK


def test_an_ending_is_an_ending(desk: Desk, file: Path) -> None:
    made = by_user(desk)["carol"]
    link = desk.testbed.store.find(made["name"])
    assert link is not None
    desk.testbed.links.end(link, Ending(Cause.CANCELLED, "no more"))
    desk.run("restore", str(file), "--yes")
    assert (by_user(desk)["carol"]["cause"], by_user(desk)["carol"]["reason"]) == ("cancelled", "no more")
