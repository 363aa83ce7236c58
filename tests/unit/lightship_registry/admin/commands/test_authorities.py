"""Authorities are replaced while notebooks run: who trusts whom at each moment, and after a crash at any."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lightship_registry.admin import host, service_control, web_server
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.locks import hold_folder
from lightship_registry.core.records import Cause, Ending, LinkRequest, Owner
from lightship_registry.pki.keystore import key_of
from lightship_registry.prepare import prepare
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.admin.rolling import KilledError, Proxy
from unit.lightship_registry.testbed import make_csr

PRESENT = {"authorities": {"links.crt", "links.key", "links-trusted.crt", "proxy.crt", "proxy.key"}}
PRESENT["web_proxy"] = {"client.crt", "client.key"}
ENDING = Ending(Cause.ENDED, "The notebook ended.")
COMMANDS = [("rotate", "links"), ("finish", "links"), ("rotate", "proxy"), ("finish", "proxy"), ("rotate", "client")]


def test_authorities_are_shown_without_their_keys(desk: Desk) -> None:
    assert desk.run("authorities", "--json") == ExitStatus.OK
    shown = json.loads(desk.out)
    assert [one["subject"] for one in shown] == [
        "CN=Lightship links notebooks.test",
        "CN=Lightship proxy notebooks.test",
        "CN=Lightship proxy",
    ]
    assert all(one["days_left"] > 3600 for one in shown)
    desk.run("authorities")
    assert "PRIVATE" not in desk.out
    (desk.testbed.settings.folders.state_dir / "authorities" / "links.crt").unlink()
    assert desk.run("authorities") == ExitStatus.FAILED
    assert "links.crt" in desk.err


def begin(proxy: Proxy, what: str) -> None:
    """Leave the host with a rollover that can be finished."""
    assert proxy.run("rotate", what) == ExitStatus.OK, proxy.desk.err
    proxy.start_notebook(seconds_ago=-5)


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_every_notebook_is_reached_from_the_first_step_to_the_last(proxy: Proxy, what: str) -> None:
    before, key = proxy.start_notebook(seconds_ago=60), proxy.key(what)
    assert proxy.run("rotate", what) == ExitStatus.OK, proxy.desk.err
    after = proxy.start_notebook(seconds_ago=-5)
    proxy.require_all_reached()
    proxy.end(before)
    assert proxy.run("finish", what) == ExitStatus.OK, proxy.desk.err
    assert proxy.files() == PRESENT
    assert key not in proxy.kept()
    newest = proxy.start_notebook()
    assert (proxy.reaches(after), proxy.reaches(newest), proxy.reaches(before)) == (True, True, False)


def test_the_replaced_key_is_gone_before_the_rollover_of_links_is_finished(proxy: Proxy) -> None:
    key = proxy.key("links")
    proxy.run("rotate", "links")
    assert key not in proxy.kept()
    assert proxy.files()["authorities"] == PRESENT["authorities"] | {"links-old.crt", "links.since"}


def test_files_are_the_services_and_keys_nobody_elses(proxy: Proxy) -> None:
    for command in COMMANDS[:3]:
        proxy.run(*command)
    for folder in proxy.keys.folders:
        for path in folder.iterdir():
            seen = path.lstat()
            assert stat.S_IMODE(seen.st_mode) == (0o600 if path.suffix == ".key" else 0o644), path
            assert (seen.st_uid, stat.S_ISREG(seen.st_mode)) == (folder.stat().st_uid, True)


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_three_lines_say_what_was_done_and_what_is_next(proxy: Proxy, what: str) -> None:
    assert proxy.run("rotate", what) == ExitStatus.OK
    lines = proxy.desk.out.splitlines()
    assert lines[1:] == ["No notebook needs the old authority. Next:", f"    lightship authorities finish {what}"]
    assert proxy.run("finish", what) == ExitStatus.OK
    assert len(proxy.desk.out.splitlines()) == 1
    proxy.start_notebook(seconds_ago=60)
    proxy.run("rotate", what)
    assert "1 notebook needs the old authority, until " in proxy.desk.out
    assert proxy.desk.out.splitlines()[2] == f"    lightship authorities finish {what}"


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_it_is_not_finished_while_notebooks_need_the_old_one(proxy: Proxy, what: str) -> None:
    proxy.start_notebook(seconds_ago=3600)
    last = proxy.start_notebook(seconds_ago=60)
    proxy.run("rotate", what)
    files, content = proxy.files(), proxy.kept()
    assert proxy.run("finish", what) == ExitStatus.FAILED
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(proxy.parts.store.get(last.name).expires_at) + 60))
    assert f"2 notebooks need the old authority, until {until}" in proxy.desk.err
    assert "--yes" in proxy.desk.err
    assert (proxy.files(), proxy.kept()) == (files, content)
    proxy.require_all_reached()


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_a_key_that_others_know_is_replaced_at_once(proxy: Proxy, what: str) -> None:
    lost = proxy.start_notebook(seconds_ago=60)
    proxy.run("rotate", what)
    other = proxy.start_notebook(seconds_ago=-5)
    assert proxy.run("finish", what, "--yes") == ExitStatus.OK, proxy.desk.err
    assert (proxy.reaches(lost), proxy.reaches(other)) == (False, True)
    assert f"    lightship revoke {lost.name}\n" in proxy.desk.out
    assert len(proxy.desk.out.splitlines()) == 3


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_a_job_that_waited_while_the_authority_was_replaced_needs_the_new_one(proxy: Proxy, what: str) -> None:
    proxy.clock.now = time.time() - 3600
    made, _ = proxy.parts.links.create(Owner("demo", "alice"), LinkRequest(7200))
    proxy.run("rotate", what)
    proxy.clock.now = float(int(time.time()) + 5)
    proxy.parts.links.claim(proxy.parts.store.get(made.name), make_csr(ec.generate_private_key(ec.SECP256R1())))
    assert proxy.run("finish", what) == ExitStatus.OK, proxy.desk.err


def test_links_of_satellites_need_no_authority(proxy: Proxy) -> None:
    made, _ = proxy.parts.satellite_links.create(Owner("demo", "satellite:10.1.0.1"), LinkRequest(7200))
    proxy.parts.publisher.announce(proxy.parts.store.get(made.name), "10.1.2.9:8888")
    proxy.parts.publisher.publish(proxy.parts.store.get(made.name), "10.1.2.9:8888")
    proxy.run("rotate", "links")
    assert "No notebook needs the old authority" in proxy.desk.out
    assert proxy.run("finish", "links") == ExitStatus.OK


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_each_is_refused_out_of_turn(proxy: Proxy, what: str) -> None:
    assert proxy.run("finish", what) == ExitStatus.FAILED
    assert f"Begin one: lightship authorities rotate {what}" in proxy.desk.err
    proxy.run("rotate", what)
    content = proxy.kept()
    assert proxy.run("rotate", what) == ExitStatus.FAILED
    assert f"Finish it first: lightship authorities finish {what}" in proxy.desk.err
    assert proxy.kept() == content


def test_both_authorities_and_the_certificate_may_be_replaced_at_the_same_time(proxy: Proxy) -> None:
    before = proxy.start_notebook(seconds_ago=60)
    for command in COMMANDS[0], COMMANDS[2], COMMANDS[4]:
        assert proxy.run(*command) == ExitStatus.OK, proxy.desk.err
        proxy.start_notebook(seconds_ago=-5)
        proxy.require_all_reached()
    proxy.end(*proxy.notebooks[:2])
    assert proxy.run("finish", "proxy") == ExitStatus.OK, proxy.desk.err
    assert proxy.run("finish", "links") == ExitStatus.OK, proxy.desk.err
    proxy.require_all_reached()
    assert not proxy.reaches(before)
    assert proxy.files() == PRESENT


def test_the_clients_certificate_is_replaced_at_once(proxy: Proxy) -> None:
    proxy.start_notebook(seconds_ago=60)
    old = proxy.keys.client.read_text(), key_of(proxy.keys.client).read_text()
    assert proxy.run("rotate", "client") == ExitStatus.OK
    assert [text for text in old if text in proxy.kept()] == []
    assert proxy.files() == PRESENT
    proxy.require_all_reached()


@pytest.mark.parametrize(
    "command", [("rotate", "links"), ("finish", "links"), ("finish", "proxy"), ("rotate", "client")]
)
@pytest.mark.parametrize("refusal", ["test", "reload"])
def test_a_web_server_that_refuses_has_everything_put_back(
    proxy: Proxy, command: tuple[str, str], refusal: str, tmp_path: Path
) -> None:
    if command[0] == "finish":
        begin(proxy, command[1])
    files, content = proxy.files(), sorted(proxy.kept().splitlines())
    if refusal == "test":
        path = tmp_path / "deployed.ini"
        path.write_text(path.read_text().replace("test = true", "test = sh -c 'echo [emerg] no disk; false'"))
    proxy.broken = True
    assert proxy.run(*command) == ExitStatus.FAILED
    assert ("no disk" if refusal == "test" else "journalctl -u nginx.service") in proxy.desk.err
    assert "Everything is as it was before." in proxy.desk.err
    assert (proxy.files(), sorted(proxy.kept().splitlines())) == (files, content)
    assert proxy.desk.out == ""
    proxy.start_notebook()
    proxy.require_all_reached()


def test_without_a_known_web_server_the_administrator_reloads_it(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(web_server, "DEPLOYED", tmp_path / "none")
    assert proxy.run("rotate", "client") == ExitStatus.OK
    assert "Reload the one that you use" in proxy.desk.err


def test_a_registry_that_does_not_run_is_not_started(proxy: Proxy) -> None:
    proxy.runs = False
    assert proxy.run("rotate", "links") == ExitStatus.OK


def test_a_registry_that_cannot_be_restarted_does_not_take_part(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: str) -> str | None:
        return None if arguments[0] == "try-restart" else proxy.systemctl(*arguments)

    monkeypatch.setattr(service_control, "_systemctl", failing)
    assert proxy.run("rotate", "proxy") == ExitStatus.FAILED
    assert "journalctl" in proxy.desk.err
    assert proxy.run("finish", "proxy") == ExitStatus.FAILED
    assert "lightship authorities rotate proxy" in proxy.desk.err
    monkeypatch.setattr(service_control, "_systemctl", proxy.systemctl)
    assert proxy.run("rotate", "proxy") == ExitStatus.OK


def test_two_commands_do_not_change_the_same_files(proxy: Proxy) -> None:
    with hold_folder(proxy.keys.folders[0]):
        assert proxy.run("rotate", "client") == ExitStatus.FAILED
    assert "Run this again when it has ended" in proxy.desk.err


def test_a_store_that_cannot_be_read_is_known_before_anything_changes(proxy: Proxy) -> None:
    content = proxy.kept()
    with proxy.desk.testbed.without_store():
        assert proxy.run("rotate", "links") == ExitStatus.FAILED
    assert proxy.kept() == content


def test_the_audit_knows_who_replaced_what(proxy: Proxy, tmp_path: Path) -> None:
    proxy.start_notebook(seconds_ago=60)
    for command in (COMMANDS[0], (*COMMANDS[1], "--yes"), COMMANDS[4]):
        proxy.run(*command)
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(event["action"], event["reason"], event["by"]) for event in events] == [
        ("rotate-authority", "links", "ann"),
        ("finish-authority", "links, without 1 notebook", "ann"),
        ("rotate-authority", "client", "ann"),
    ]


def test_those_that_are_replaced_are_shown_with_their_use(proxy: Proxy) -> None:
    for command in COMMANDS[0], COMMANDS[2]:
        proxy.run(*command)
    assert proxy.run("--json") == ExitStatus.OK
    shown = {Path(one["file"]).name: one["use"] for one in json.loads(proxy.desk.out)}
    assert list(shown) == ["links.crt", "proxy.crt", "client.crt", "links-old.crt", "proxy-next.crt"]
    assert shown["links-old.crt"] == "trusted until its notebooks have ended"


def test_a_backup_in_between_brings_all_of_it_back(proxy: Proxy, tmp_path: Path) -> None:
    proxy.start_notebook(seconds_ago=60)
    for command in COMMANDS[0], COMMANDS[2]:
        proxy.run(*command)
    proxy.start_notebook(seconds_ago=-5)
    files, content = proxy.files(), sorted(proxy.kept().splitlines())
    assert proxy.desk.run("backup", str(tmp_path / "b")) == ExitStatus.OK
    for folder in proxy.keys.folders:
        shutil.rmtree(folder)
    assert proxy.desk.run("restore", str(tmp_path / "b"), "--yes", "--force") == ExitStatus.OK, proxy.desk.err
    assert (proxy.files(), sorted(proxy.kept().splitlines())) == (files, content)
    proxy.start_web_server()
    proxy.start_registry()
    assert proxy.run("finish", "links") == ExitStatus.FAILED
    assert "1 notebook needs" in proxy.desk.err
    proxy.require_all_reached()


def kill_after(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let that many changes of the authorities' files and of units happen, and none after them."""
    proxy.steps, proxy.lives_for = 0, steps
    folders = [str(folder) for folder in proxy.keys.folders]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(path: Any, *more: Any, **options: Any) -> Any:
            reads = real is os_open and not more[0] & os.O_CREAT
            if str(path).startswith(tuple(folders)) and not reads:
                proxy.step()
            return real(path, *more, **options)

        return change

    os_open = os.open
    for name in ("open", "replace", "rename", "unlink", "mkdir", "rmdir", "link"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    real_symlink = os.symlink

    def symlink(target: Any, path: Any, *more: Any) -> None:
        proxy.step()
        real_symlink(target, path, *more)

    monkeypatch.setattr(os, "symlink", symlink)


def killed(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, steps: int, command: tuple[str, str]) -> bool:
    """Run the command on a host that loses its power so early; false if it came to its end before."""
    with monkeypatch.context() as patched:
        kill_after(proxy, patched, steps)
        try:
            assert proxy.run(*command) == ExitStatus.OK, proxy.desk.err
        except KilledError:
            return True
        finally:
            proxy.lives_for = -1
    return False


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_step_it_leaves_a_host_that_works_and_is_run_again(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, str]
) -> None:
    if command[0] == "finish":
        begin(proxy, command[1])
    else:
        proxy.start_notebook(seconds_ago=60)
    # It is the order that counts here, and neither the disk nor the store's version.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(host, "require_current", lambda _: None)
    notebooks = proxy.notebooks[:]
    for folder in proxy.keys.folders:
        shutil.copytree(folder, tmp_path / "before" / folder.name)
    steps = 0
    while killed(proxy, monkeypatch, steps, command):
        # The programs that ran go on, with what they know.
        proxy.start_notebook(seconds_ago=-5)
        proxy.require_all_reached()
        # The power was cut: both start with the files as they are.
        start_all(proxy)
        # The playbook may be run before the command is.
        if steps % 2:
            prepare(proxy.settings)
            start_all(proxy)
        require_completed(proxy, command)
        for notebook in proxy.notebooks[len(notebooks) :]:
            proxy.parts.store.end(notebook.name, ENDING, time.time())
        proxy.notebooks = notebooks[:]
        for folder in proxy.keys.folders:
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "before" / folder.name, folder)
        proxy.start_web_server()
        proxy.start_registry()
        steps += 1
    assert steps > 20


def start_all(proxy: Proxy) -> None:
    """One after the other."""
    proxy.start_registry()
    proxy.start_notebook(seconds_ago=-5)
    proxy.require_all_reached()
    proxy.start_web_server()
    proxy.require_all_reached()


def require_completed(proxy: Proxy, command: tuple[str, str]) -> None:
    """Run it again: it goes on, or says that the other half is next."""
    status, (verb, what) = proxy.run(*command), command
    other = f"lightship authorities {'finish' if verb == 'rotate' else 'rotate'} {what}"
    assert status == ExitStatus.OK or other in proxy.desk.err, proxy.desk.err
    proxy.require_all_reached()
    beside = {("rotate", "links"): {"links-old.crt", "links.since"}}
    beside["rotate", "proxy"] = {"proxy-next.crt", "proxy-next.key", "proxy.since"}
    assert proxy.files() == {**PRESENT, "authorities": PRESENT["authorities"] | beside.get(command, set())}
