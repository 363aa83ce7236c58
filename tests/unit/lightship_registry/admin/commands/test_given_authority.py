"""An institution gives the authority of notebooks' certificates: what runs goes on, from each one to the next."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from lightship_registry import cli
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.authorities import LINKS_TITLE, given_authority
from lightship_registry.pki.keystore import Keystore, anchor
from lightship_registry.pki.rollover import LinksRollover
from lightship_registry.prepare import prepare
from support.certificate_pairs import Pair, made_certificate
from unit.ansible.plugins import load
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.admin.rolling import Notebook, Proxy
from unit.lightship_registry.testbed import DOMAIN, Identity

FINISH = ("finish", "links")


def made(title: str, signer: Pair | None = None, **more: Any) -> Pair:
    return made_certificate(title, signer, now=dt.datetime.now(dt.UTC), **more)


ROOT = made("Root")
MIDDLE = made("Middle", ROOT)
LINKS = made("Links", MIDDLE)
RENEWED = made("Links", MIDDLE, key=rsa.generate_private_key(65537, 2048), ends=400)
WHOLE = (LINKS, MIDDLE, ROOT)


def text(*chain: Pair) -> str:
    """A given authority, as the playbook passes it on."""
    return "".join(each.pem for each in chain) + chain[0].key_pem()


def take(proxy: Proxy, *chain: Pair) -> int:
    """Have an authority sign; without one, an own one."""
    if not chain:
        return proxy.run("take", "links", "--own")
    file = proxy.own / "given.pem"
    file.write_text(text(*chain))
    return proxy.run("take", "links", "--given", str(file))


def finish(proxy: Proxy, *ended: Notebook) -> None:
    proxy.end(*ended)
    assert proxy.run(*FINISH) == ExitStatus.OK, proxy.desk.err


def test_from_an_own_one_to_a_given_one_to_a_renewed_one_and_back(proxy: Proxy) -> None:
    for chain in (WHOLE, (RENEWED, MIDDLE, ROOT), ()):
        before, key = proxy.start_notebook(seconds_ago=60), proxy.key("links")
        assert take(proxy, *chain) == ExitStatus.OK, proxy.desk.err
        assert proxy.desk.out.splitlines()[2:] == ["    lightship authorities finish links"]
        assert key not in proxy.kept()
        after = proxy.start_notebook(seconds_ago=-5)
        proxy.require_all_reached()
        files = proxy.files(), proxy.kept()
        assert take(proxy, *chain) == ExitStatus.OK
        assert proxy.desk.out == "", "the second time changes nothing"
        assert proxy.run(*FINISH) == ExitStatus.FAILED
        assert (proxy.files(), proxy.kept()) == files
        finish(proxy, before)
        assert (proxy.reaches(before), proxy.reaches(after)) == (False, True)
        proxy.end(after)
        assert prepare(proxy.settings) == []


def test_what_notebooks_send_leads_to_the_institutions_root_and_the_proxy_trusts_only_the_given_one(
    proxy: Proxy, tmp_path: Path
) -> None:
    take(proxy, *WHOLE)
    notebook = proxy.start_notebook()
    (tmp_path / "root.pem").write_text(ROOT.pem)
    sent = tmp_path / "chain.pem"
    name = ["-purpose", "sslserver", "-verify_hostname", f"{notebook.name}.{DOMAIN}"]
    command = ["openssl", "verify", *name, "-CAfile", str(tmp_path / "root.pem"), "-untrusted", str(sent), str(sent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ROOT.pem not in sent.read_text()
    # Others of the institution sign for the same names: the web server takes theirs for no notebook's.
    other = made("Other", MIDDLE)
    impostor = made("impostor", other, names=(f"{notebook.name}.{DOMAIN}",))
    claimed = {"certificate": impostor.pem + other.pem + MIDDLE.pem, "client_ca": proxy.client_ca}
    proxy.notebooks.append(Notebook(notebook.name, Identity(impostor.key, claimed), tmp_path))
    assert proxy.reaches(notebook)
    assert not proxy.reaches(proxy.notebooks[-1])


def test_trust_is_written_as_openssl_writes_it() -> None:
    command = ["openssl", "x509", "-addtrust", "serverAuth", "-trustout"]
    done = subprocess.run(command, input=LINKS.pem, capture_output=True, text=True, check=True)
    assert anchor(LINKS.pem).split() == done.stdout.split()
    assert anchor(ROOT.pem) == ROOT.pem


def test_rotate_is_refused_with_what_to_do(proxy: Proxy) -> None:
    take(proxy, *WHOLE)
    finish(proxy)
    content = proxy.kept()
    assert proxy.run("rotate", "links") == ExitStatus.FAILED
    assert "Have the institution sign another authority, set link_registry_links_authority_chain" in proxy.desk.err
    assert proxy.kept() == content


def test_only_one_change_at_a_time(proxy: Proxy) -> None:
    take(proxy, *WHOLE)
    content = proxy.kept()
    for chain in ((RENEWED, MIDDLE, ROOT), ()):
        assert take(proxy, *chain) == ExitStatus.FAILED
        assert "Finish it first: lightship authorities finish links" in proxy.desk.err
        assert proxy.kept() == content


def test_other_certificates_above_the_same_authority_begin_no_rollover(proxy: Proxy) -> None:
    again = made("Middle", ROOT, key=MIDDLE.key, ends=800)
    take(proxy, *WHOLE)
    finish(proxy)
    assert take(proxy, LINKS, again, ROOT) == ExitStatus.OK
    assert proxy.desk.out == "New notebooks send the new certificates above their authority, which stays.\n"
    assert again.pem in proxy.keys.links_pem()
    assert "links-old.crt" not in proxy.files()["authorities"]
    proxy.start_notebook()
    proxy.require_all_reached()


@pytest.mark.parametrize("wanted", [WHOLE, (RENEWED, MIDDLE, ROOT), ()])
@pytest.mark.parametrize("switched", [False, True])
def test_after_a_crash_the_playbook_goes_on_or_takes_another(
    proxy: Proxy, wanted: tuple[Pair, ...], *, switched: bool
) -> None:
    rollover = LinksRollover(proxy.settings)
    rollover.begin(proxy.clock(), given_authority(text(*WHOLE)))
    if switched:
        rollover.switch()
    status = take(proxy, *wanted)
    if switched and wanted != WHOLE:
        assert status == ExitStatus.FAILED
        assert "Finish it first" in proxy.desk.err
        finish(proxy)
        status = take(proxy, *wanted)
    assert status == ExitStatus.OK, proxy.desk.err
    assert rollover.has(rollover.present, given_authority(text(*wanted)) if wanted else None)
    assert not rollover.next.exists()
    proxy.start_registry()
    proxy.start_web_server()
    proxy.start_notebook()
    proxy.require_all_reached()


def test_a_web_server_that_refuses_has_everything_put_back(proxy: Proxy) -> None:
    files, content = proxy.files(), sorted(proxy.kept().splitlines())
    proxy.broken = True
    assert take(proxy, *WHOLE) == ExitStatus.FAILED
    assert "Everything is as it was before." in proxy.desk.err
    assert (proxy.files(), sorted(proxy.kept().splitlines())) == (files, content)


def test_the_doctor_says_when_it_ends_and_who_renews_it(proxy: Proxy) -> None:
    take(proxy, *WHOLE)
    finish(proxy)
    proxy.desk.run("doctor", "--json")
    (found,) = [each for each in json.loads(proxy.desk.out) if each["what"].startswith("links.crt lasts 79 days")]
    assert found["level"] == "warning"
    assert "Have the institution sign another authority" in found["remedy"]
    take(proxy, RENEWED, MIDDLE, ROOT)
    proxy.desk.run("doctor", "--json")
    assert "links.crt lasts 399 days" in proxy.desk.out


def test_on_a_new_host_it_is_the_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keystore(desk.testbed.settings)
    command = ["prepare", "--config", str(desk.config), "--given"]
    for path in keys.folders[0].glob("links*"):
        path.unlink()
    for times in range(2):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text(*WHOLE)))
        desk.capture.readouterr()
        assert cli.main(command) == 0
        assert ("links.crt" in desk.capture.readouterr().out) == (times == 0)
    assert keys.links_pem() == LINKS.pem + MIDDLE.pem
    assert keys.trusted.read_text() == anchor(LINKS.pem)
    # What is there already stays: `take` replaces it with notebooks in mind.
    monkeypatch.setattr(sys, "stdin", io.StringIO(text(RENEWED, MIDDLE, ROOT)))
    assert cli.main(command) == 0
    assert keys.links_pem() == LINKS.pem + MIDDLE.pem


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "no private key is in it"),
        (text(LINKS).replace("A", "?"), "cannot be read"),
        (LINKS.pem + ROOT.key_pem(), "the key is not its key"),
        (text(made("leaf", ROOT, names=("a.test",))), "that of no authority"),
    ],
    ids=["empty", "damaged", "another key", "no authority"],
)
def test_what_is_no_authority_is_not_taken(desk: Desk, tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        given_authority(given)
    (tmp_path / "given").write_text(given)
    assert desk.run("authorities", "take", "links", "--given", str(tmp_path / "given")) == ExitStatus.FAILED
    assert words in desk.err


def test_one_of_two_is_said(desk: Desk) -> None:
    assert desk.run("authorities", "take", "links") == ExitStatus.USAGE


def test_the_playbook_tells_one_in_place_from_another(desk: Desk) -> None:
    filters = load("roles/link_registry/filter_plugins/given_authority.py")
    own = Keystore(desk.testbed.settings).links_pem()
    assert f"CN={LINKS_TITLE}" == filters.OWN
    assert not filters.is_another_authority(own, "")
    assert filters.is_another_authority(own, LINKS.pem + ROOT.pem)
    assert not filters.is_another_authority(LINKS.pem, LINKS.pem + MIDDLE.pem)
    assert filters.is_another_authority(LINKS.pem, made("Links", MIDDLE).pem)
    for given in (LINKS, ROOT, made(f"{LINKS_TITLE}x", ROOT)):
        assert filters.is_another_authority(given.pem, "")
