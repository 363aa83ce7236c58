"""An authority of the institution signs notebooks' certificates, and is given up again."""

from __future__ import annotations

import datetime as dt
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from support.certificate_pairs import Pair, made_certificate
from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

VARIABLES = {
    "link_registry_domain": "trixie.test",
    "link_registry_clusters": {
        "demo": {"networks": ["10.89.77.0/24"]},
        "other": {"networks": ["10.77.0.0/16", "2001:db8:77::/48"]},
    },
}
REGISTRY = "/opt/lightship/registry"
FOLDER = "/var/lib/lightship/authorities"
# Which web server an earlier scenario may have left, and in which state, is no matter here.
DEPLOYED = "/etc/letsencrypt/lightship/deployed.ini"
CLAIM = Path(__file__).with_name("claim_on_host.py").read_text("utf-8")


def made(title: str, signer: Pair | None = None) -> Pair:
    """Make a certificate that is valid today."""
    return made_certificate(title, signer, now=dt.datetime.now(dt.UTC))


def claim(host: Host) -> tuple[str, str]:
    """Claim a link; its name, and the certificates that its notebook has."""
    command = ["env", f"PYTHONPATH={REGISTRY}/lightship.pyz", f"{REGISTRY}/venv/bin/python", "-c", CLAIM]
    name, _, certificates = host.check_output(shlex.join(command)).partition("\n")
    return name, certificates


def finish(host: Host, *names: str) -> None:
    """End the notebooks from before, and then the change."""
    for name in names:
        host.check_output(f"lightship revoke {name} --yes")
    assert "is trusted no more" in host.check_output("lightship authorities finish links")


@pytest.fixture
def folder(host: Host, tmp_path: Path) -> Iterator[Path]:
    """Where the institution's files are. Afterwards the host has an authority of its own."""
    host.run(f"mv {DEPLOYED} {DEPLOYED}.away")
    yield tmp_path
    host.run(f"lightship authorities finish links --yes; mv {DEPLOYED}.away {DEPLOYED}")


def test_an_authority_of_the_institution(host: Host, folder: Path) -> None:
    root = made("Root")
    middle = made("Middle", root)
    links = made("Links", middle)
    (folder / "root.pem").write_text(root.pem)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text(links.pem + middle.pem + root.pem)
    key.write_text(links.key_pem())
    given = {"link_registry_links_authority_chain": str(chain), "link_registry_links_authority_key": str(key)}

    before, _ = claim(host)
    assert deploy("link_registry", "proxy13", folder, **VARIABLES, **given) == 1
    assert deploy("link_registry", "proxy13", folder, **VARIABLES, **given) == 0, "a second run changes something"
    after, sent = claim(host)
    (folder / "sent.pem").write_text(sent)
    name = ["-purpose", "sslserver", "-verify_hostname", f"{after}.trixie.test"]
    verify = ["openssl", "verify", *name, "-CAfile", "root.pem", "-untrusted", "sent.pem", "sent.pem"]
    verified = subprocess.run(verify, cwd=folder, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    # Both are trusted, and the key is nobody else's.
    assert host.check_output(f"grep -c BEGIN {FOLDER}/links-trusted.crt") == "2"
    assert host.check_output(f"stat -c '%U %a' {FOLDER}/links.key") == "lightship 600"
    assert links.key_pem().split()[4] not in host.check_output("journalctl --no-pager --output=json")

    state = host.check_output(f"sha256sum {FOLDER}/*")
    with pytest.raises(AssertionError, match="was changed on proxy13, and that is not finished"):
        deploy("link_registry", "proxy13", folder, **VARIABLES)
    assert host.check_output(f"sha256sum {FOLDER}/*") == state
    finish(host, before)
    assert "Have the institution sign another authority" in host.run("lightship authorities rotate links").stderr
    # As the role does without files.
    assert "lightship authorities finish links" in host.check_output("lightship authorities take links --own")
    finish(host, after)
    assert "Lightship links trixie.test" in host.check_output("lightship authorities")
