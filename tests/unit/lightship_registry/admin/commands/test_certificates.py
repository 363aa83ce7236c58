"""What `lightship certificates` does before and after it asks certbot, for which a script stands in.

The real certbot, authority and web server: tests/molecule/default/test_certificates.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from lightship_registry.admin import public_certificate, web_checks, web_server
from lightship_registry.admin.status import ExitStatus
from unit.lightship_registry.admin.conftest import Desk, write_certificate
from unit.lightship_registry.testbed import DOMAIN

KINDS = public_certificate.KINDS
# It answers as told in `answer`, puts the next version in place on a renewal, and notes what it was asked.
CERTBOT = """#!/bin/sh -e
cd {folder}
echo "$@" "$REQUESTS_CA_BUNDLE" "$AWS_SHARED_CREDENTIALS_FILE" >>asked
if [ -e answer ]; then cat answer; exit 1; fi
if [ "$1" = renew ]; then mv next/* archive/{domain}/; for kind in {kinds}; do
    ln -sfn ../../archive/{domain}/${{kind}}3.pem live/{domain}/$kind.pem; done; fi
"""


@dataclass
class Site:
    """certbot's folders with versions 1, which has expired, and 2, and the next one to come."""

    folder: Path

    @property
    def asked(self) -> list[str]:
        """The commands that certbot got."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def version(self, number: int, *, left: float = 80, where: str = f"archive/{DOMAIN}", like: int = 0) -> None:
        """Write the files of one version; `like` takes another one's key."""
        folder = self.folder / where
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            path = folder / f"{kind}{number}.pem"
            if like:
                path.write_bytes((self.folder / f"archive/{DOMAIN}/{kind}{like}.pem").read_bytes())
            elif kind == "cert":
                write_certificate(path, left=left)
            else:
                path.write_text(kind)

    def kept(self) -> set[str]:
        """The files in the archive."""
        return {path.name for path in (self.folder / "archive" / DOMAIN).iterdir()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A host as the role certificates leaves it."""
    found = Site(tmp_path / "letsencrypt")
    found.version(1, left=-1)
    found.version(2)
    found.version(3, where="next")
    live = found.folder / "live" / DOMAIN
    live.mkdir(parents=True)
    for kind in KINDS:
        (live / f"{kind}.pem").symlink_to(f"../../archive/{DOMAIN}/{kind}2.pem")
    certbot = found.folder / "certbot"
    certbot.write_text(CERTBOT.format(folder=found.folder, domain=DOMAIN, kinds=" ".join(KINDS)))
    certbot.chmod(0o755)
    deployed = tmp_path / "deployed.ini"
    deployed.write_text(
        f"[deployed]\nlineage = {live}\nservice = nginx\ntest = true\naddress = 127.0.0.1\nport = 1\n"
        f"certbot = {certbot}\nconfig = /c.ini\n"
        "environment = REQUESTS_CA_BUNDLE=/ca.pem 'AWS_SHARED_CREDENTIALS_FILE=/a b.ini'\n"
    )
    monkeypatch.setattr(web_server, "DEPLOYED", deployed)
    monkeypatch.setattr(web_checks, "unit", lambda *_: {"LoadState": "loaded", "ActiveState": "active"})
    monkeypatch.setattr(public_certificate, "PROVE", "true")
    return found


def files(*numbers: int) -> set[str]:
    return {f"{kind}{number}.pem" for kind in KINDS for number in numbers}


def test_what_is_there_is_shown(desk: Desk, site: Site) -> None:
    assert desk.run("certificates") == ExitStatus.OK
    assert f"Version 2 is in place for {DOMAIN}" in desk.out
    assert desk.run("certificates", "--json") == ExitStatus.OK
    (only,) = json.loads(desk.out)
    assert (only["version"], only["file"]) == (2, str(site.folder / f"archive/{DOMAIN}/fullchain2.pem"))
    assert 79 < only["days_left"] <= 80
    assert site.asked == []


def test_a_renewal_revokes_nothing(desk: Desk, site: Site) -> None:
    assert desk.run("certificates", "renew") == ExitStatus.OK
    assert f"{DOMAIN}: certificate 3 (" in desk.out
    (asked,) = site.asked
    assert asked.startswith("renew ")
    # The ACME server of an institution has a certificate that only this file vouches for; the other is a plugin's.
    assert asked.endswith("--config /c.ini /ca.pem /a b.ini")
    assert site.kept() == files(1, 2, 3)
    assert "certificate-renew" in desk.err


def test_after_a_leak_the_earlier_ones_are_revoked_and_their_keys_deleted(desk: Desk, site: Site) -> None:
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.OK
    renewed, revoked = site.asked
    archive = site.folder / "archive" / DOMAIN
    assert renewed.startswith("renew ")
    assert f"revoke --cert-path {archive}/cert2.pem --reason keycompromise --key-path {archive}/privkey2.pem" in revoked
    # The first had expired: no authority revokes that.
    assert site.kept() == files(1, 3)
    assert len(desk.out.splitlines()) == 2


def test_it_asks_before_it_revokes(desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert desk.run("certificates", "renew", "--revoke-earlier") == ExitStatus.DECLINED
    assert site.asked == []


def test_a_web_server_that_could_not_take_it_over_is_found_first(desk: Desk, site: Site, tmp_path: Path) -> None:
    deployed = tmp_path / "deployed.ini"
    deployed.write_text(deployed.read_text().replace("test = true", "test = false"))
    assert desk.run("certificates", "renew") == ExitStatus.FAILED
    assert "Nothing was changed: nginx.service would not start again" in desk.err
    assert site.asked == []


def test_an_authority_that_refuses_changes_nothing(desk: Desk, site: Site) -> None:
    (site.folder / "answer").write_text(
        "too many certificates already issued: see https://letsencrypt.org/docs/rate-limits"
    )
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.FAILED
    assert "certbot got no certificate" in desk.err
    assert "too many certificates already issued" in desk.err
    assert site.kept() == files(1, 2)
    assert len(site.asked) == 1


def test_nothing_is_revoked_until_the_new_one_is_presented(
    desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_certificate, "PROVE", "false")
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.FAILED
    assert "nothing was revoked" in desk.err
    assert desk.run("certificates", "revoke", "--yes") == ExitStatus.FAILED
    assert [line.split()[0] for line in site.asked] == ["renew"]
    assert site.kept() == files(1, 2, 3)


def test_a_new_certificate_for_the_leaked_key_is_noticed(desk: Desk, site: Site) -> None:
    site.version(3, where="next", like=2)
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.FAILED
    assert "has the key of the one before. Remove reuse_key" in desk.err
    assert site.kept() == files(1, 2, 3)


def test_a_revocation_that_failed_is_done_later(desk: Desk, site: Site) -> None:
    assert desk.run("certificates", "renew") == ExitStatus.OK
    (site.folder / "answer").write_text("The service is down for maintenance")
    assert desk.run("certificates", "revoke", "--yes") == ExitStatus.FAILED
    assert "was not revoked" in desk.err
    assert "lightship certificates revoke" in desk.err
    assert site.kept() == files(1, 2, 3)
    # Somebody did it meanwhile.
    told = "The request specified a certificate to be revoked that has already been revoked"
    (site.folder / "answer").write_text(f"An unexpected error occurred:\n{told}")
    assert desk.run("certificates", "revoke", "--yes", "--reason", "superseded") == ExitStatus.OK
    assert site.kept() == files(1, 3)
    assert desk.run("certificates", "revoke") == ExitStatus.OK
    assert "Nothing was revoked" in desk.out


def test_a_host_without_a_certificate_of_the_role_is_told_what_to_do(desk: Desk, site: Site, tmp_path: Path) -> None:
    (tmp_path / "deployed.ini").write_text("")
    assert desk.run("certificates") == ExitStatus.FAILED
    assert "site.yml --tags certificates" in desk.err
    assert site.asked == []


def test_a_given_certificate_is_shown_and_not_renewed(desk: Desk, site: Site, tmp_path: Path) -> None:
    deployed = tmp_path / "deployed.ini"
    deployed.write_text(deployed.read_text().partition("certbot")[0])
    assert desk.run("certificates") == ExitStatus.OK
    for command in (["renew"], ["revoke", "--yes"]):
        assert desk.run("certificates", *command) == ExitStatus.FAILED
        assert "certificates_given_chain" in desk.err
    assert site.asked == []


def test_a_version_that_a_full_disk_left_is_named_and_stops_nothing(desk: Desk, site: Site) -> None:
    (site.folder / f"archive/{DOMAIN}/cert1.pem").write_text("")
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.OK
    assert "cert1.pem cannot be read, and was not revoked" in desk.err
    assert site.kept() == files(1, 3)


def test_another_authoritys_certificates_are_left_alone(desk: Desk, site: Site) -> None:
    write_certificate(site.folder / f"archive/{DOMAIN}/cert1.pem", organisation="(STAGING) Let's Encrypt")
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.OK
    assert [line.split()[0] for line in site.asked] == ["renew", "revoke"]
    assert site.kept() == files(1, 3)


def test_only_a_leak_is_proved_with_the_key(desk: Desk, site: Site) -> None:
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes", "--reason", "superseded") == ExitStatus.OK
    assert "--key-path" not in site.asked[1]


def test_a_web_server_that_went_back_to_the_version_before(desk: Desk, site: Site) -> None:
    certbot = site.folder / "certbot"
    certbot.write_text(certbot.read_text().replace("ln -sfn", ": ln"))
    assert desk.run("certificates", "renew", "--revoke-earlier", "--yes") == ExitStatus.FAILED
    assert "The web server refused the new certificate" in desk.err
    assert [line.split()[0] for line in site.asked] == ["renew"]


def test_a_damaged_archive_is_named(desk: Desk, site: Site) -> None:
    (site.folder / f"archive/{DOMAIN}/cert2.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert desk.run("certificates") == ExitStatus.FAILED
    assert "cert2.pem cannot be read" in desk.err
    (site.folder / f"archive/{DOMAIN}/cert2.pem").unlink()
    assert desk.run("certificates") == ExitStatus.FAILED
    assert "Restore /etc/letsencrypt" in desk.err
