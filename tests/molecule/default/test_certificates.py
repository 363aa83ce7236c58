"""An administrator replaces certificates and keys while people work: nobody is cut off, and no request fails."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dns.query
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest

from support import bed
from support.at_work import at_work
from support.deploy import INVENTORY, rotate

ARCHIVE = f"/etc/letsencrypt/archive/{bed.DOMAIN}"
NAME_SERVER = "10.89.77.10"
UPDATE_KEY = "/etc/bind/lightship/acme-update.key"
ASK = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/letsencrypt/lightship/acme-ca.pem")
url = f"https://acme:15000/cert-status-by-serial/{sys.argv[1]}"
print(urllib.request.urlopen(url, context=context).read().decode())
"""
# From "this key is compromised" to the old certificate revoked.
DRILL_SECONDS = 60


@dataclass(frozen=True)
class Certificate:
    """A version of the public certificate, as `lightship certificates --json` tells."""

    version: int
    serial: str

    @property
    def key_file(self) -> str:
        """The file on the proxy that has its key."""
        return f"{ARCHIVE}/privkey{self.version}.pem"


def certificates() -> list[Certificate]:
    """The valid versions; the last one is in place."""
    told = json.loads(bed.run("proxy", "lightship certificates --json").stdout)
    return [Certificate(one["version"], one["serial"]) for one in told]


def status_at_authority(certificate: Certificate) -> str:
    """What the authority says of a certificate."""
    done = bed.run("proxy", f"python3 - {certificate.serial.lower()}", text=ASK)
    return str(json.loads(done.stdout)["Status"])


@pytest.fixture
def undisturbed(working: bed.Notebook) -> Iterator[None]:
    """Somebody works all the time."""
    with at_work(working):
        yield


@contextmanager
def authority_away() -> Iterator[None]:
    """Lead the proxy astray: Pebble itself would have forgotten every account after a restart."""
    bed.run("proxy", "cp /etc/hosts /run/hosts && echo '127.0.0.1 acme' | cat - /run/hosts >/etc/hosts")
    try:
        yield
    finally:
        bed.run("proxy", "cat /run/hosts >/etc/hosts && rm /run/hosts")


@pytest.mark.usefixtures("undisturbed")
def test_the_night_drill_a_leaked_key_is_out_of_use_within_a_minute() -> None:
    leaked = certificates()
    assert bed.presented() == leaked[-1].serial
    bed.run("proxy", f"rm -rf /run/leaked && cp -a {ARCHIVE} /run/leaked")
    began = time.monotonic()
    said = bed.run("proxy", "lightship certificates renew --revoke-earlier --yes").stdout
    assert time.monotonic() - began < DRILL_SECONDS
    (new,) = certificates()
    assert bed.presented() == new.serial
    assert f"certificate {new.version} ({new.serial}) with a new key is presented" in said
    assert status_at_authority(new) == "Valid"
    for old in leaked:
        assert status_at_authority(old) == "Revoked"
        assert bed.run("proxy", f"test -e {old.key_file}", check=False).returncode
    # Renewals go on as ever, and the doctor finds nothing wrong with what is there.
    bed.run("proxy", "systemctl start lightship-certificates")
    findings = json.loads(bed.run("proxy", "lightship doctor --json", check=False).stdout)
    assert not [each for each in findings if each["check"] in ("public-certificate", "renewal") and each["remedy"]]
    assert certificates() == [new]
    # A power cut may leave a revoked one with its key: the command completes what it began.
    bed.run("proxy", f"cp -a /run/leaked/*{leaked[-1].version}.pem {ARCHIVE} && rm -r /run/leaked")
    bed.run("proxy", "lightship certificates revoke --yes")
    assert certificates() == [new]
    assert bed.run("proxy", f"test -e {leaked[-1].key_file}", check=False).returncode


@pytest.mark.usefixtures("undisturbed")
def test_the_playbook_renews_and_revokes_nothing_unless_told_to() -> None:
    (before,) = certificates()
    said = rotate("public")
    kept, new = certificates()
    assert (kept, bed.presented()) == (before, new.serial)
    assert new.serial in said
    assert status_at_authority(before) == "Valid"
    rotate("public", "lightship_revoke_earlier=true", "lightship_reason=superseded")
    (newest,) = certificates()
    assert bed.presented() == newest.serial
    assert {status_at_authority(before), status_at_authority(new)} == {"Revoked"}


@pytest.mark.usefixtures("undisturbed")
def test_a_web_server_that_somebody_broke_is_found_before_the_authority_is_asked() -> None:
    fault = "/etc/nginx/lightship.conf"
    before = certificates()
    bed.run("proxy", f"cp -a {fault} /run/kept.conf && echo 'no such directive;' >>{fault}")
    try:
        done = bed.run("proxy", "lightship certificates renew --revoke-earlier --yes", check=False)
    finally:
        bed.run("proxy", f"cp -a /run/kept.conf {fault} && rm /run/kept.conf")
    assert done.returncode == 1
    assert "Nothing was changed: nginx.service would not start again" in done.stderr
    assert certificates() == before
    assert bed.presented() == before[-1].serial


@pytest.mark.usefixtures("undisturbed")
def test_an_authority_that_is_down_changes_nothing() -> None:
    before = certificates()
    with authority_away():
        done = bed.run("proxy", "lightship certificates renew --revoke-earlier --yes", check=False)
    assert done.returncode == 1
    assert "certbot got no certificate" in done.stderr
    assert "Connection refused" in done.stderr
    assert (certificates(), bed.presented()) == (before, before[-1].serial)


@pytest.mark.usefixtures("undisturbed")
def test_a_new_update_key_is_proved_before_the_old_one_goes() -> None:
    old = bed.run("proxy", f"cat {UPDATE_KEY}").stdout
    assert "was replaced" in rotate("update-key")
    assert bed.run("proxy", f"cat {UPDATE_KEY}").stdout != old
    assert bed.run("proxy", f"test -e {UPDATE_KEY}.before", check=False).returncode
    # The old one changes nothing any more, not even what it was made for.
    secret = re.search(r'secret "([^"]+)"', old)
    assert secret
    keyring = dns.tsigkeyring.from_text({"lightship-acme.": secret[1]})
    update = dns.update.UpdateMessage(
        f"_acme-challenge.{bed.DOMAIN}", keyring=keyring, keyalgorithm=dns.tsig.HMAC_SHA512
    )
    update.add("@", 60, "TXT", "x")
    with pytest.raises(dns.tsig.PeerBadSignature):
        dns.query.tcp(update, NAME_SERVER, timeout=20)


@pytest.mark.usefixtures("undisturbed")
def test_an_update_key_that_does_not_work_is_taken_back() -> None:
    old = bed.run("proxy", f"cat {UPDATE_KEY}").stdout
    with authority_away(), pytest.raises(AssertionError, match="one before is in place again"):
        rotate("update-key")
    assert bed.run("proxy", f"cat {UPDATE_KEY}").stdout == old
    bed.run("proxy", "lightship certificates renew")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "-e lightship_rotate=public"),
        (["-e", "lightship_rotate=everything"], "-e lightship_rotate=public"),
        (
            ["-e", "lightship_rotate=client", "-e", "lightship_finish=true"],
            "Only links, proxy and ssh-host-keys are finished later",
        ),
    ],
)
def test_the_playbook_says_what_it_can_replace(words: list[str], said: str) -> None:
    command = [
        "ansible-playbook",
        "-i",
        str(INVENTORY),
        str(bed.REPOSITORY / "ansible" / "rotate_certificates.yml"),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode
    assert said in " ".join((done.stdout + done.stderr).split())
    assert "changed=0" in done.stdout
