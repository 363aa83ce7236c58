"""A workstation's certificate from its request on the proxy to its place on the workstation, without an authority."""

from __future__ import annotations

import datetime as dt
import importlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from support.certificate_pairs import Pair, made_certificate
from unit.ansible.plugins import REPOSITORY, load

for folder in ("certificates", "workstation_certificate"):
    sys.path.insert(0, str(REPOSITORY / "roles" / folder / "files"))
issuing: Any = importlib.import_module("workstation_certificate_issuing")
proxy: Any = importlib.import_module("certificates_workstations")
own: Any = importlib.import_module("workstation_certificate")
requests: Any = importlib.import_module("workstation_request")
plugin = load("roles/certificates/filter_plugins/workstations.py")

DOMAIN = "notebooks.example.org"
NAME, OTHER = f"ws1.{DOMAIN}", "desk.example.net"
NOW = dt.datetime.now(tz=dt.UTC)
ROOT = made_certificate("Root", now=NOW, begins=-100, ends=3000)
DEPLOYED = """
[deployed]
domain = {domain}
config = /none
server = https://acme.example.org/dir
writer = dns-rfc2136
certbot = {python}
environment = A_VARIABLE=1
workstation_challenge = --authenticator lightship-challenge

[workstations]
{name} = {name} {other}
"""


@pytest.fixture
def workstation(tmp_path: Path) -> Any:
    """A workstation's own settings, with a root that it trusts."""
    (tmp_path / "root.pem").write_text(ROOT.pem)
    folder = tmp_path / "workstation"
    folder.mkdir()
    return requests.Settings([NAME, OTHER], "https://x", str(tmp_path / "root.pem"), folder, shared=False, command=[])


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the proxy offer a certificate."""
    return lambda chain: monkeypatch.setattr(own, "offered", lambda _settings: chain)


def key_in(folder: Path) -> Any:
    return load_pem_private_key((folder / "key.pem").read_bytes(), None)


def issued(
    folder: Path, signer: Pair = ROOT, names: tuple[str, ...] = (NAME, OTHER), begins: int = -10, ends: int = 80
) -> str:
    """A certificate for the key that is in a folder."""
    made = made_certificate("ws", signer, now=NOW, key=key_in(folder), names=names, begins=begins, ends=ends)
    return made.pem + signer.pem


def test_the_request_is_one_that_the_proxy_takes_and_stays_the_same(workstation: Any) -> None:
    pem, made = own.request(workstation, new_key=False)
    assert made
    assert plugin.request_fault(pem, [NAME, OTHER]) == ""
    assert own.request(workstation, new_key=False) == (pem, False)
    assert (workstation.next / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_certificate_is_put_in_place_once_and_the_sites_command_runs_until_it_succeeds(
    workstation: Any, offers: Callable[[str], None], tmp_path: Path
) -> None:
    own.request(workstation, new_key=False)
    key = key_in(workstation.next).private_numbers()
    offers(issued(workstation.next))
    command = ["sh", "-c", f"echo x >>{tmp_path}/ran; test -e {tmp_path}/ready"]
    told = requests.Settings(**{**vars(workstation), "command": command})
    with pytest.raises(own.CertificateError, match="ended with status 1"):
        own.fetch(told)
    (tmp_path / "ready").touch()
    assert own.fetch(told) == [f"{NAME} has the newest certificate."]
    own.fetch(told)
    assert (tmp_path / "ran").read_text() == "x\n" * 2
    assert key_in(workstation.current).private_numbers() == key
    assert not workstation.next.exists()


def test_a_newer_certificate_for_the_same_key_is_taken_and_an_older_one_is_not(
    workstation: Any, offers: Callable[[str], None]
) -> None:
    own.request(workstation, new_key=False)
    older, newer = issued(workstation.next), issued(workstation.next, begins=-1)
    offers(older)
    own.fetch(workstation)
    offers(newer)
    assert "was put in place" in own.fetch(workstation)[0]
    offers(older)
    with pytest.raises(own.CertificateError, match="has an older certificate"):
        own.fetch(workstation)
    assert (workstation.current / "fullchain.pem").read_text() == newer
    # One version, and no half of another.
    assert len([each for each in workstation.folder.iterdir() if not each.is_symlink()]) == 1


def test_the_old_key_stays_until_the_new_ones_certificate_is_there(
    workstation: Any, offers: Callable[[str], None]
) -> None:
    own.request(workstation, new_key=False)
    offers(issued(workstation.next))
    own.fetch(workstation)
    old = key_in(workstation.current).private_numbers()
    own.request(workstation, new_key=True)
    assert own.fetch(workstation)[1] == "A new key waits for its own."
    # The old one is renewed meanwhile.
    offers(issued(workstation.current, begins=-1))
    own.fetch(workstation)
    assert key_in(workstation.current).private_numbers() == old
    new = key_in(workstation.next).private_numbers()
    offers(issued(workstation.next))
    own.fetch(workstation)
    assert key_in(workstation.current).private_numbers() == new != old
    assert not workstation.next.exists()


def test_other_names_need_another_request_with_the_same_key(workstation: Any, offers: Callable[[str], None]) -> None:
    own.request(workstation, new_key=False)
    offers(issued(workstation.next))
    own.fetch(workstation)
    fewer = requests.Settings(**{**vars(workstation), "names": [NAME]})
    pem, made = own.request(fewer, new_key=False)
    assert made
    assert plugin.request_fault(pem, [NAME]) == ""
    assert key_in(fewer.next).private_numbers() == key_in(fewer.current).private_numbers()


@pytest.mark.parametrize(
    ("signer", "names", "ends", "said"),
    [
        (ROOT, (NAME,), 80, f"not trusted here for {OTHER}: Hostname mismatch"),
        (ROOT, (NAME, OTHER), -1, "certificate has expired"),
        (made_certificate("Another", now=NOW), (NAME, OTHER), 80, "self-signed certificate"),
    ],
)
def test_a_certificate_that_no_client_would_take_is_refused(
    workstation: Any, offers: Callable[[str], None], signer: Pair, names: tuple[str, ...], ends: int, said: str
) -> None:
    own.request(workstation, new_key=False)
    offers(issued(workstation.next, signer, names, ends=ends))
    with pytest.raises(own.CertificateError, match=said):
        own.fetch(workstation)
    assert not workstation.current.exists()


def test_what_is_no_certificate_is_told(workstation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {b"[1]": "no certificate for", b'{"x": 1}': "no certificate for", b"<html>": "cannot be read"}
    for answer, said in {**answers, json.dumps({NAME: chr(0xE9)}).encode(): "it is no PEM"}.items():
        monkeypatch.setattr("urllib.request.urlopen", lambda *_, answer=answer, **__: io.BytesIO(answer))
        with pytest.raises(own.CertificateError, match=said):
            own.fetch(workstation)


def test_a_certificate_of_another_key_and_one_that_is_old_are_told(
    workstation: Any, offers: Callable[[str], None]
) -> None:
    own.request(workstation, new_key=False)
    offers(made_certificate("ws", ROOT, now=NOW, names=(NAME, OTHER)).pem)
    with pytest.raises(own.CertificateError, match="with another key"):
        own.fetch(workstation)
    offers("damaged")
    with pytest.raises(own.CertificateError, match="is damaged"):
        own.fetch(workstation)
    offers(issued(workstation.next, begins=-80, ends=10))
    with pytest.raises(own.CertificateError, match="the proxy has none after it"):
        own.fetch(workstation)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings on the proxy, whose certbot is a program of the tests."""
    path = tmp_path / "deployed.ini"
    path.write_text(DEPLOYED.format(domain=DOMAIN, name=NAME, other=OTHER, python=sys.executable))
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What certbot was told; it then issues for a key of its own."""
    told: list[list[str]] = []

    def certbot(command: list[str], _writer: str) -> Any:
        told.append(command)
        chain = made_certificate("ws", ROOT, now=NOW, names=(NAME,)).pem + ROOT.pem
        Path(command[command.index("--fullchain-path") + 1]).write_text(chain)
        return importlib.import_module("certbot_outcome").Outcome()

    monkeypatch.setattr(issuing, "run_certbot", certbot)
    monkeypatch.setattr(issuing, "see_room", lambda _folder: None)
    monkeypatch.setattr(issuing, "suggested", lambda *_: float("inf"))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return told


def run(settings: Path, *words: str) -> int:
    return int(proxy.main(["--settings", str(settings), "--public", str(settings.with_name("public")), *words]))


def taken(settings: Path, monkeypatch: pytest.MonkeyPatch, pem: str) -> int:
    """Have a request taken; what is issued for it is issued in this process."""
    monkeypatch.setattr(proxy, "each", lambda _section, path, name: run(Path(path), "--issue", name))
    monkeypatch.setattr(sys, "stdin", io.StringIO(pem))
    return run(settings, "--take", NAME)


def test_a_request_is_issued_for_once_and_everybody_may_fetch_the_certificate(
    settings: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings) == 0
    assert (taken(settings, monkeypatch, "request"), taken(settings, monkeypatch, "request")) == (0, 0)
    assert len(asked) == 1
    assert "--csr" in asked[0]
    assert asked[0][-2:] == ["--authenticator", "lightship-challenge"]
    public = json.loads(settings.with_name("public").read_text())
    assert "BEGIN CERTIFICATE" in public[NAME]
    said = capsys.readouterr().out
    assert f"A certificate of {NAME} was issued, for there is none yet." in said
    assert f"No certificate of {NAME} is due." in said
    assert taken(settings, monkeypatch, "another") == 0
    assert "was issued, for it has a new request." in capsys.readouterr().out


def test_what_makes_another_one_due(
    settings: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken(settings, monkeypatch, "request")
    settings.write_text(settings.read_text().replace("acme.example.org", "other.example.org"))
    assert run(settings) == 0
    assert "another authority issues now" in capsys.readouterr().out
    monkeypatch.setattr(issuing, "suggested", lambda *_: time.time() - 1)
    assert run(settings) == 0
    assert "the authority wants it to be replaced" in capsys.readouterr().out
    now = time.time
    # Of ninety days, eighty are left.
    monkeypatch.setattr(time, "time", lambda: now() + 51 * 86400)
    assert run(settings) == 0
    assert "less than a third of its life is left" in capsys.readouterr().out
    assert len(asked) == 4


def test_one_that_fails_keeps_its_certificate_and_says_why(
    settings: Path,
    asked: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken(settings, monkeypatch, "request")
    before = settings.with_name("public").read_text()
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    settings.write_text(settings.read_text().replace(OTHER, "another.example.net"))
    (tmp_path / "run" / "gone.json").touch()
    assert run(settings) == 1
    assert settings.with_name("public").read_text() == before
    told = json.loads((tmp_path / "run" / f"{NAME}.json").read_text())
    assert told["reason"] == "request-outdated"
    assert told["remedy"].endswith("workstations.yml")
    assert f"{NAME}: The inventory allots" in capsys.readouterr().err
    # Of a workstation that the inventory does not have any more.
    assert not (tmp_path / "run" / "gone.json").exists()
    assert len(asked) == 1


def test_a_name_that_no_workstation_has_is_refused(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(settings, "--take", f"ws2.{DOMAIN}") == 1
    assert "allots ws2.notebooks.example.org to no workstation" in capsys.readouterr().err


def test_each_one_has_a_process_and_a_time_of_its_own(
    settings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings.write_text(settings.read_text().replace(sys.executable, f"{Path(sys.executable).parent}/certbot"))
    assert run(settings) == 0
    assert f"{NAME} has made no request yet" in capfd.readouterr().out
    monkeypatch.setattr(proxy, "EACH_SECONDS", 0.001)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert run(settings) == 1
    assert json.loads((tmp_path / f"{NAME}.json").read_text())["reason"] == "timeout"


def test_a_private_authority_takes_nothing_but_the_key(settings: Path, tmp_path: Path, workstation: Any) -> None:
    authority = importlib.import_module("private_authority").Authority(tmp_path / "authority", DOMAIN)
    authority.make()
    pem, _ = own.request(requests.Settings(**{**vars(workstation), "names": [f"ws9.{DOMAIN}"]}), new_key=False)
    text = settings.read_text().replace("certbot =", f"authority = {tmp_path}/authority\nunused =")
    settings.write_text(text.replace(f" {OTHER}", ""))
    section = importlib.import_module("certificate_settings").read(str(settings))
    target = proxy.known(section, str(settings))[NAME]
    target.take(pem)
    assert "was issued, for there is none yet" in issuing.issue(target, section)
    assert issuing.issue(target, section) == f"No certificate of {NAME} is due."
    certificate, root = x509.load_pem_x509_certificates(target.read("certificate.json")["chain"].encode())
    assert root.subject == certificate.issuer
    assert certificate.public_key() == x509.load_pem_x509_csr(pem.encode()).public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
