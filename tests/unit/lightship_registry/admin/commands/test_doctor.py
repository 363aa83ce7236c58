from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lightship_registry.admin import (
    authority_checks,
    machine_checks,
    name_checks,
    web_checks,
    web_server,
    workstation_checks,
)
from lightship_registry.admin.checks import NOTE, OK, WARNING, WRONG, Finding
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core import last_heard
from lightship_registry.core.last_heard import Heard
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.cuts import ORDER_SECONDS
from lightship_registry.monitoring import check_report
from lightship_registry.pki.certificates import certificates
from lightship_registry.pki.rollover import ClientChange, LinksRollover, ProxyRollover
from unit.lightship_registry.admin.conftest import Desk

SAYS: dict[tuple[str, ...], str] = {
    ("systemctl", "is-active"): "active",
    ("systemctl", "is-failed"): "inactive",
    ("systemctl", "show"): "0",
    ("timedatectl", "show"): "yes",
    ("chronyc", "-n"): "",
}


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Path]:
    """A service that answers as ours does for a host that it does not know."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            while True:
                with server.accept()[0] as peer:
                    if not peer.recv(4096):
                        return
                    peer.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield path
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        thread.join()


@pytest.fixture
def healthy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A host on which nothing is wrong, without web server and name server: those have a module of their own."""
    says = dict(SAYS)
    monkeypatch.setattr(machine_checks, "output", lambda command: says[tuple(command[:2])])
    for module in (web_checks, name_checks, workstation_checks):
        monkeypatch.setattr(module, "unit", lambda *_: {"LoadState": "not-found", "ActiveState": "inactive"})
    monkeypatch.setattr(web_server, "DEPLOYED", desk.config.parent / "no-deployed.ini")
    monkeypatch.setattr(name_checks, "LIST", desk.config.parent / "no-list")
    heard = {cluster: Heard(time.time() - 30, 0.5) for cluster in desk.testbed.settings.clusters}
    last_heard.save(last_heard.path_of(desk.testbed.settings), heard)
    monkeypatch.setattr(machine_checks, "cut", lambda _targets: 0)
    kept = desk.testbed.settings.folders
    kept.clusters_dir.chmod(0o750)
    kept.routes_dir.chmod(0o2750)
    kept.cut_dir.chmod(0o700)
    for key in kept.clusters_dir.iterdir():
        key.chmod(0o640)
    return desk


def examined(desk: Desk, listener: Path) -> dict[str, list[dict[str, str]]]:
    desk.run("doctor", "--json", "--socket", str(listener))
    levels: dict[str, list[dict[str, str]]] = {OK: [], NOTE: [], WARNING: [], WRONG: []}
    for finding in json.loads(desk.out):
        levels[finding["level"]].append(finding)
    return levels


def test_a_healthy_host_has_nothing_but_ok(healthy: Desk, listener: Path) -> None:
    assert healthy.run("doctor", "--socket", str(listener)) == ExitStatus.OK, healthy.out
    *lines, last = healthy.out.splitlines()
    assert last == "Nothing is wrong."
    levels = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert set(levels) == {OK, NOTE}, healthy.out
    assert levels.count(NOTE) == 4, "no web server, no renewal, no name server, no list"
    assert len(healthy.out.splitlines()) > 15


@pytest.mark.parametrize(
    ("command", "answer", "level", "said"),
    [
        (("systemctl", "is-active"), "failed", WRONG, "lightship-cut.path is failed"),
        (("systemctl", "is-active"), "", WRONG, "lightship-registry.service is unknown"),
        (("systemctl", "is-failed"), "failed", WARNING, "lightship-cut.service failed"),
        (("timedatectl", "show"), "no", WARNING, "the clock is synchronised"),
    ],
)
def test_the_machines_troubles_are_told(
    healthy: Desk,
    listener: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    answer: str,
    level: str,
    said: str,
) -> None:
    says: dict[tuple[str, ...], str] = {**SAYS, command: answer}
    monkeypatch.setattr(machine_checks, "output", lambda asked: says[tuple(asked[:2])])
    found = examined(healthy, listener)[level]
    assert said in " ".join(finding["what"] for finding in found)
    assert all(finding["remedy"] for finding in found)


def test_chrony_is_believed_too(healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = {**SAYS, ("timedatectl", "show"): "no", ("chronyc", "-n"): "Leap status     : Normal"}
    monkeypatch.setattr(machine_checks, "output", lambda asked: says[tuple(asked[:2])])
    assert examined(healthy, listener)[WARNING] == []


def test_a_kernel_that_cannot_cut_is_wrong(healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "cut", lambda _targets: 1)
    (finding,) = examined(healthy, listener)[WRONG]
    assert "cannot be cut" in finding["what"]
    assert "CONFIG_INET_DIAG_DESTROY" in finding["remedy"]


def test_a_host_without_ss_is_wrong(healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_targets: list[str]) -> int:
        raise FileNotFoundError(2, "No such file", "ss")

    monkeypatch.setattr(machine_checks, "cut", missing)
    (finding,) = examined(healthy, listener)[WRONG]
    assert "iproute2" in finding["remedy"]


def test_whether_this_kernel_can_is_found_out_by_doing_it() -> None:
    (finding,) = machine_checks.kernel_can_cut()
    assert finding.level == (OK if os.geteuid() == 0 else WRONG), finding


def test_a_service_that_does_not_answer_is_wrong(healthy: Desk, listener: Path, tmp_path: Path) -> None:
    (finding,) = examined(healthy, tmp_path / "nothing")[WRONG]
    assert "does not answer" in finding["what"]
    assert listener.exists()


def test_open_folders_and_keys_are_wrong_and_the_remedy_closes_them(healthy: Desk, listener: Path) -> None:
    kept = healthy.testbed.settings.folders
    kept.cut_dir.chmod(0o777)
    (kept.clusters_dir / "demo.key").chmod(0o644)
    found = examined(healthy, listener)[WRONG]
    assert len(found) == 2
    for finding in found:
        subprocess.run(finding["remedy"].split(), check=True)
    assert (kept.cut_dir.stat().st_mode & 0o777, (kept.clusters_dir / "demo.key").stat().st_mode & 0o777) == (
        0o700,
        0o640,
    )


def test_a_missing_folder_and_a_missing_key_are_wrong(healthy: Desk, listener: Path) -> None:
    kept = healthy.testbed.settings.folders
    shutil.rmtree(kept.cut_dir)
    (kept.clusters_dir / "demo.key").unlink()
    said = [finding["what"] for finding in examined(healthy, listener)[WRONG]]
    assert f"{kept.cut_dir}: No such file or directory" in said
    assert any("cluster demo has no valid key" in what for what in said)


def test_routes_that_are_not_what_the_store_says_are_named(healthy: Desk, listener: Path) -> None:
    made = healthy.published()
    assert examined(healthy, listener)[WRONG] == []
    route = healthy.testbed.settings.folders.routes_dir / made["name"]
    route.write_text("https://10.9.9.9:1\n")
    (finding,) = examined(healthy, listener)[WRONG]
    assert made["name"] in finding["what"]
    assert route.read_text() == "https://10.9.9.9:1\n", "the doctor only looks"


def test_cuts_that_nobody_carries_out_are_wrong(healthy: Desk, listener: Path) -> None:
    order = healthy.testbed.settings.folders.cut_dir / "one-two-three"
    order.write_text("10.1.2.3:4567\n")
    assert examined(healthy, listener)[WRONG] == []
    then = order.stat().st_mtime - ORDER_SECONDS - 5
    os.utime(order, (then, then))
    (finding,) = examined(healthy, listener)[WRONG]
    assert "wait for their connections to be cut" in finding["what"]


def test_a_store_that_does_not_open_is_wrong(healthy: Desk, listener: Path) -> None:
    healthy.testbed.engine.dispose()
    healthy.testbed.settings.store_file.write_bytes(b"nonsense " * 1000)
    (finding,) = examined(healthy, listener)[WRONG]
    assert "store" in finding["what"]


def test_wrong_settings_are_the_only_line(desk: Desk) -> None:
    desk.config.write_text("domain = 1\n")
    assert desk.run("doctor") == ExitStatus.FAILED
    assert "domain must be" in desk.out
    assert desk.run("links") == ExitStatus.SETTINGS


def test_a_full_disk_is_told(healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "LOW", 1 << 60)
    assert "are free for" in examined(healthy, listener)[WARNING][0]["what"]
    monkeypatch.setattr(machine_checks, "LOWEST", 1 << 60)
    assert "are free for" in examined(healthy, listener)[WRONG][0]["what"]


def test_no_name_of_a_program_moves_the_cursor(healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Finding(WARNING, "process 1 ([bold]\x1b]0;x\x07) has the store open", "kill \x1b[2J1")
    monkeypatch.setattr(machine_checks, "openers", lambda _store: [named])
    healthy.run("doctor", "--socket", str(listener))
    assert "process 1 ([bold]?]0;x?) has the store open" in healthy.out
    assert "kill ?[2J1" in healthy.out
    assert "\x1b" not in healthy.out


def test_agents_that_fell_silent_or_have_another_clock_are_told(healthy: Desk, listener: Path) -> None:
    path = last_heard.path_of(healthy.testbed.settings)
    last_heard.save(path, {"demo": Heard(time.time() - 7200, 0.0), "other": Heard(time.time(), -21.4)})
    found = examined(healthy, listener)
    (silent,), (clocks,) = found[WRONG], found[WARNING]
    assert "an agent of cluster demo was last heard 2 h 0 min ago" in silent["what"]
    assert "lightship-agent" in silent["remedy"]
    assert "the clocks of cluster other and of this host differ by 21 seconds" in clocks["what"]


def test_agents_that_cannot_ask_their_scheduler_are_told_with_the_cause(healthy: Desk, listener: Path) -> None:
    faults = AgentFaults(healthy.testbed.settings, time.time)
    faults.tell("demo", "login1", "qstat failed: its pbs_iff cannot connect.")
    faults.tell("demo", "login2", "")
    (found,) = examined(healthy, listener)[WARNING]
    assert found["what"] == (
        "the agent of login1, cluster demo, cannot ask how jobs are: qstat failed: its pbs_iff cannot connect."
    )
    assert "journalctl -u lightship-agent" in found["remedy"]


@pytest.mark.parametrize("kept", [None, "", "[]", '{"demo": 3}', '{"demo": ["x", "y"]}', '{"demo": [1'])
def test_a_cluster_that_was_never_heard_is_a_warning(healthy: Desk, listener: Path, kept: str | None) -> None:
    path = last_heard.path_of(healthy.testbed.settings)
    path.unlink() if kept is None else path.write_text(kept)
    said = [finding["what"] for finding in examined(healthy, listener)[WARNING]]
    assert said == [f"no agent of cluster {cluster} was ever heard" for cluster in ("demo", "other")]


def test_every_finding_names_its_check_and_the_report_has_their_worst_levels(healthy: Desk, listener: Path) -> None:
    folder = healthy.testbed.settings.folders.cut_dir
    folder.chmod(0o777)
    healthy.run("doctor", "--json", "--report", "--socket", str(listener))
    found = json.loads(healthy.out)
    assert all(check_report.CHECK.fullmatch(finding["check"]) for finding in found)
    report = check_report.load(check_report.path_of(healthy.testbed.settings))
    assert report.levels.keys() == {finding["check"] for finding in found}
    assert {check for check, level in report.levels.items() if level} == {"folders"}
    assert report.levels["folders"] == 2
    assert abs(report.time - time.time()) < 60
    assert str(folder) not in check_report.path_of(healthy.testbed.settings).read_text(), "it holds no text"


def test_looking_keeps_nothing_unless_it_is_asked_to(healthy: Desk, listener: Path) -> None:
    healthy.run("doctor", "--socket", str(listener))
    assert not check_report.path_of(healthy.testbed.settings).exists()


def authorities(desk: Desk, listener: Path) -> list[tuple[str, str, str]]:
    desk.run("doctor", "--json", "--socket", str(listener))
    found = [one for one in json.loads(desk.out) if one["check"] == "authorities"]
    return [(one["level"], one["what"], one["remedy"]) for one in found if one["level"] != OK]


@pytest.mark.parametrize("what", ["links", "proxy"])
def test_an_unfinished_rollover_is_a_note_that_says_what_is_next(healthy: Desk, listener: Path, what: str) -> None:
    made = healthy.published()
    expires = healthy.testbed.store.get(made["name"]).expires_at
    rotate, finish = f"lightship authorities rotate {what}", f"lightship authorities finish {what}"
    settings = healthy.testbed.settings
    rollover = LinksRollover(settings) if what == "links" else ProxyRollover(settings)
    rollover.begin(time.time())
    assert authorities(healthy, listener) == [(WARNING, f"the rollover of {what} was interrupted", rotate)]
    if isinstance(rollover, LinksRollover):
        rollover.switch()
    rollover.mark(time.time())
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(expires + 60))
    said = f"a rollover of {what}: 1 notebook needs the old authority, until {until} at the latest"
    assert authorities(healthy, listener) == [(NOTE, said, f"From then on: {finish}")]
    healthy.run("revoke", made["name"], "--yes")
    assert authorities(healthy, listener) == [(NOTE, f"a rollover of {what} can be finished", finish)]
    with healthy.testbed.without_store():
        assert authorities(healthy, listener) == [(NOTE, f"a rollover of {what} is not finished", finish)]


def test_an_interrupted_change_of_the_clients_certificate_is_told(healthy: Desk, listener: Path) -> None:
    ClientChange(healthy.testbed.settings).sign(ProxyRollover(healthy.testbed.settings).present, time.time())
    ((level, what, remedy),) = authorities(healthy, listener)
    assert (level, remedy) == (WARNING, "lightship authorities rotate client")
    assert "interrupted" in what


@pytest.mark.parametrize("name", ["authorities/links.key", "web_proxy/client.key", "authorities/proxy-next.key"])
def test_a_key_that_others_may_read_is_wrong(healthy: Desk, listener: Path, name: str) -> None:
    ProxyRollover(healthy.testbed.settings).begin(time.time())
    path = healthy.testbed.settings.folders.state_dir / name
    path.chmod(0o640)
    (finding,) = examined(healthy, listener)[WRONG]
    assert finding["remedy"] == f"chmod 0600 {path}"


@pytest.mark.parametrize(("left", "level"), [(80, WARNING), (-1, WRONG)])
def test_a_certificate_that_ends_names_the_command_that_replaces_it(
    healthy: Desk, listener: Path, monkeypatch: pytest.MonkeyPatch, left: int, level: str
) -> None:
    seen = certificates(healthy.testbed.settings)
    ends = seen[0].ends - (3650 - left) * 86400
    monkeypatch.setattr(authority_checks, "certificates", lambda _: [replace(one, ends=ends) for one in seen])
    assert [(found[0], found[2]) for found in authorities(healthy, listener)] == [
        (level, "lightship authorities rotate links"),
        (level, "lightship authorities rotate proxy"),
        (level, "lightship authorities rotate proxy"),
    ]
    rollover = ProxyRollover(healthy.testbed.settings)
    rollover.begin(time.time())
    rollover.mark(time.time())
    assert authorities(healthy, listener)[1][2] == "lightship authorities finish proxy"
    monkeypatch.setattr(authority_checks, "certificates", lambda _: [*seen[:2], replace(seen[2], ends=ends)])
    assert authorities(healthy, listener)[0][2] == "lightship authorities rotate client"


def test_a_lost_authority_is_wrong(healthy: Desk, listener: Path) -> None:
    (healthy.testbed.settings.folders.state_dir / "authorities" / "proxy.crt").unlink()
    assert authorities(healthy, listener)[0][0] == WRONG
