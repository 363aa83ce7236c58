"""A certificate of the institution: checked before anything changes, and then presented."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from support.certificate_pairs import Pair, made_certificate
from support.certificates_host import DEPLOYED, DOMAIN, SERVICE, VARIABLES, issued, shown, web_server_with
from support.deploy import deploy

testinfra_hosts = ["ssh://proxy13"]

GIVEN = f"/etc/letsencrypt/lightship/given/live/{DOMAIN}"


def made(title: str, signer: Pair | None = None, *names: str) -> Pair:
    """Make a certificate that is valid today."""
    return made_certificate(title, signer, now=dt.datetime.now(dt.UTC), names=names)


@dataclass(frozen=True)
class Institution:
    """An authority with an intermediate, and where its files go on this machine."""

    folder: Path
    root: Pair
    middle: Pair

    def give(self, *names: str) -> tuple[dict[str, object], int]:
        """Write a new certificate and its key; the role's variables for it, and its serial number."""
        leaf = made("given", self.middle, *names)
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        chain.write_text(leaf.pem + self.middle.pem)
        key.write_text(leaf.key_pem())
        given = {"certificates_provider": "given", "certificates_given_chain": str(chain)}
        return {**VARIABLES, **given, "certificates_given_key": str(key)}, leaf.certificate.serial_number


@pytest.fixture(scope="module")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """It signs what a centre asks for."""
    root = made("Root")
    return Institution(tmp_path_factory.mktemp("institution"), root, made("Middle", root))


@pytest.fixture(scope="module")
def given(
    host: Host,
    web_server: None,  # noqa: ARG001
    institution: Institution,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The institution's certificate in place and presented; afterwards certbot's again."""
    folder = tmp_path_factory.mktemp("given")
    variables, serial = institution.give(DOMAIN, f"*.{DOMAIN}")
    assert deploy("certificates", "proxy13", folder, **variables) > 0
    # Until role web_proxy comes, the web server goes on with the other one.
    assert shown() == issued(host)
    with web_server_with(host, GIVEN):
        host.check_output(DEPLOYED)
        assert shown() == serial
        assert deploy("certificates", "proxy13", folder, **variables) == 0
        yield
    deploy("certificates", "proxy13", folder, **VARIABLES)
    assert shown() == issued(host)


@pytest.mark.usefixtures("given")
def test_the_next_one_is_presented_by_the_run_that_brings_it(
    host: Host, institution: Institution, tmp_path: Path, error_in_chromium: Callable[[str], str]
) -> None:
    before = shown()
    variables, serial = institution.give(DOMAIN, f"*.{DOMAIN}")
    assert deploy("certificates", "proxy13", tmp_path, **variables) > 0
    assert shown() == serial != before
    assert host.check_output(f"stat -L -c %a {GIVEN}/privkey.pem") == "600"
    # The intermediate came with it: browsers know the root alone.
    assert error_in_chromium(institution.root.pem) == ""
    assert "ERR_CERT_AUTHORITY_INVALID" in error_in_chromium(made("Another").pem)
    # The timer asks no authority, and would notice a web server that presents another one.
    host.check_output(f"systemctl start {SERVICE}")
    assert "certbot" not in host.check_output(f"systemctl cat {SERVICE}")


@pytest.mark.usefixtures("given")
def test_what_browsers_would_refuse_is_refused_before_any_change(
    host: Host, institution: Institution, tmp_path: Path
) -> None:
    presented = shown()
    before = host.check_output(f"ls -l {GIVEN}")
    variables, _ = institution.give(DOMAIN)
    with pytest.raises(AssertionError, match=rf"not for \*\.{DOMAIN}"):
        deploy("certificates", "proxy13", tmp_path, **variables)
    variables, _ = institution.give(DOMAIN, f"*.{DOMAIN}")
    Path(str(variables["certificates_given_key"])).write_text(made("x").key_pem())
    with pytest.raises(AssertionError, match="is not the key of"):
        deploy("certificates", "proxy13", tmp_path, **variables)
    with pytest.raises(AssertionError, match="Set it to a file of this machine"):
        deploy("certificates", "proxy13", tmp_path, **variables | {"certificates_given_chain": "/nowhere.pem"})
    assert host.check_output(f"ls -l {GIVEN}") == before
    assert shown() == presented
