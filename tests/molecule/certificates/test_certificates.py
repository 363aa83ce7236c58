"""The certificate as browsers see it, and its renewal as an administrator finds it in the morning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from cryptography import x509
from testinfra.host import Host

from support import zone_host
from support.bed import eventually, hexadecimal
from support.certificates_host import ADDRESS, DEPLOYED, DOMAIN, LIVE, NEWS, SERVICE, VARIABLES, WEB, issued, shown
from support.deploy import RENEW, deploy

testinfra_hosts = ["ssh://proxy13"]

ARCHIVE = f"/etc/letsencrypt/archive/{DOMAIN}"
SETTINGS = "/etc/letsencrypt/lightship"


def run_and_fail(host: Host) -> str:
    """Run the service, which must fail, and return what the journal got meanwhile."""
    cursor = host.check_output("journalctl --no-pager --lines=1 --show-cursor | sed -n 's/^-- cursor: //p'")
    assert host.run(f"systemctl start {SERVICE}").failed
    assert host.check_output(f"systemctl is-failed {SERVICE}") == "failed"
    # Until then the last lines may be under way.
    host.check_output("journalctl --sync")
    return str(host.check_output(f"journalctl --no-pager --output=cat --after-cursor='{cursor}'"))


@pytest.fixture(scope="module")
def certificate(host: Host) -> x509.Certificate:
    """The certificate that the role got."""
    return x509.load_pem_x509_certificate(host.check_output(f"cat {LIVE}/cert.pem").encode())


@pytest.fixture
def broken(host: Host) -> Iterator[Callable[[], None]]:
    """Break the web server's configuration; the answer mends it."""
    host.check_output(f"echo 'no such directive;' > {WEB}/fault.conf")

    def mend() -> None:
        host.check_output(f"rm -f {WEB}/fault.conf")

    yield mend
    mend()


def test_it_is_for_the_domain_and_every_name_below(certificate: x509.Certificate) -> None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == [f"*.{DOMAIN}", DOMAIN]
    assert "Pebble" in certificate.issuer.rfc4514_string()
    assert certificate.not_valid_after_utc > datetime.now(tz=UTC)


def test_only_root_reads_what_is_secret(host: Host) -> None:
    for path in [f"{LIVE}/privkey.pem", f"{SETTINGS}/rfc2136.ini", f"{SETTINGS}/certbot.ini"]:
        assert host.file(path).exists
        assert host.run(f"runuser -u nobody -- cat {path}").failed


def test_the_update_key_is_in_no_log(host: Host) -> None:
    # The journal knows the command line of every process that said something, grep's own too: hence a file.
    host.check_output(f"umask 077; sed -n 's/^dns_rfc2136_secret = //p' {SETTINGS}/rfc2136.ini > /run/pattern")
    found = host.run("grep -r -l -F -f /run/pattern /var/log /etc/letsencrypt/renewal")
    host.check_output("rm /run/pattern")
    assert (found.rc, found.stdout) == (1, "")


def test_the_challenge_is_gone_afterwards() -> None:
    # The server's own word: its files come later.
    question = dns.message.make_query(f"_acme-challenge.{DOMAIN}", "TXT")
    answer = dns.query.tcp(question, ADDRESS, timeout=5)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_the_timer_comes_within_the_day(host: Host) -> None:
    timer = host.check_output(f"systemctl list-timers --no-legend {SERVICE}.timer")
    assert SERVICE in timer
    assert host.service(f"{SERVICE}.timer").is_enabled
    show = f"systemctl show --value --property=NextElapseUSecRealtime {SERVICE}.timer"
    next_run = int(host.check_output(f'date +%s --date "$({show})"'))
    assert next_run < (datetime.now(tz=UTC) + timedelta(hours=18)).timestamp()


def test_a_second_run_never_issues_again(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    assert deploy("certificates", "proxy13", tmp_path, **VARIABLES) == 0
    assert issued(host) == before


def test_no_web_server_is_no_failure(host: Host) -> None:
    host.check_output(f"sed 's/^service = .*/service = not-there/' {SETTINGS}/deployed.ini > /run/deployed.ini")
    assert "does not run" in host.check_output(f"{DEPLOYED} --settings /run/deployed.ini")


@pytest.mark.usefixtures("web_server")
def test_a_renewal_is_shown_without_a_playbook(host: Host) -> None:
    before = shown()
    host.check_output(f"rm -f {NEWS['success']}")
    host.check_output(RENEW + DOMAIN)
    assert shown() == issued(host) != before
    now = hexadecimal(shown())
    told = f"{DOMAIN}: certificates-test was reloaded and shows the certificate with serial {now}. 100%"
    assert host.file(NEWS["success"]).content_string == told


@pytest.mark.usefixtures("web_server")
def test_the_service_is_content_when_nothing_is_due(host: Host) -> None:
    before = issued(host)
    host.check_output(f"systemctl start {SERVICE}")
    assert issued(host) == shown() == before


@pytest.mark.usefixtures("web_server")
def test_the_service_shows_what_an_earlier_run_could_not(host: Host, broken: Callable[[], None]) -> None:
    before = shown()
    host.check_output(RENEW + DOMAIN)
    assert shown() == before != issued(host)

    host.check_output(f"rm -f {NEWS['failure']}")
    remedy = f"Mend the configuration until `nginx -t -c {WEB}/nginx` is content"
    assert remedy in run_and_fail(host)
    assert shown() == before
    # systemd tells the site in a unit of its own.
    eventually(lambda: host.file(NEWS["failure"]).exists, "nobody was told", 20)
    assert remedy in host.file(NEWS["failure"]).content_string

    broken()
    host.check_output(f"systemctl start {SERVICE}")
    assert shown() == issued(host) != before


@pytest.mark.usefixtures("web_server")
def test_a_damaged_certificate_is_rolled_back(host: Host) -> None:
    before, number = shown(), int(host.check_output(f"readlink {LIVE}/cert.pem").split("cert")[-1].removesuffix(".pem"))
    bad = number + 1
    # As after the disk was full.
    for name in ("cert", "chain", "privkey"):
        host.check_output(f"cp -p {ARCHIVE}/{name}{number}.pem {ARCHIVE}/{name}{bad}.pem")
    host.check_output(f"head -c 300 {ARCHIVE}/fullchain{number}.pem > {ARCHIVE}/fullchain{bad}.pem")
    for name in ("cert", "chain", "fullchain", "privkey"):
        host.check_output(f"ln -sfn ../../archive/{DOMAIN}/{name}{bad}.pem {LIVE}/{name}.pem")

    done = host.run(DEPLOYED)
    assert done.rc == 1
    assert f"Certificate {bad} of {DOMAIN} cannot be used" in done.stderr
    assert f"so number {number} is in place again" in done.stderr
    assert shown() == issued(host) == before
    host.check_output("systemctl restart certificates-test")

    # The next run removes it: certbot would put it in place again.
    host.check_output(f"systemctl start {SERVICE}")
    assert shown() == issued(host) == before
    assert not host.file(f"{ARCHIVE}/fullchain{bad}.pem").exists

    host.check_output(RENEW + DOMAIN)
    host.check_output(f"systemctl start {SERVICE}")
    assert shown() == issued(host) != before


@pytest.mark.usefixtures("web_server")
def test_a_web_server_that_died_is_noticed(host: Host) -> None:
    host.check_output("systemctl kill --signal=KILL certificates-test && sleep 1")
    try:
        assert "certificates-test has failed" in host.run(DEPLOYED).stderr
        # During a deployment web_proxy comes later and puts it right.
        assert host.run(f"{DEPLOYED} --allow-unused").succeeded
    finally:
        host.check_output("systemctl restart certificates-test")


@pytest.mark.usefixtures("web_server")
def test_a_web_server_with_another_certificate_is_noticed(host: Host) -> None:
    host.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=other -days 1 "
        f"-keyout {WEB}/other.key -out {WEB}/other.crt"
    )
    site = f"{WEB}/site.conf"
    swap = f"s#{LIVE}/fullchain.pem#{WEB}/other.crt#; s#{LIVE}/privkey.pem#{WEB}/other.key#"
    host.check_output(f"cp {site} /run/site && sed -i '{swap}' {site} && systemctl reload certificates-test")
    try:
        said = run_and_fail(host)
        assert f"still shows the certificate with serial {hexadecimal(shown())}" in said
        # During a deployment web_proxy comes later and puts it right.
        assert "does not use the certificate" in host.check_output(f"{DEPLOYED} --allow-unused")
    finally:
        host.check_output(f"cp /run/site {site} && systemctl reload certificates-test && rm {WEB}/other.*")
    host.check_output(f"systemctl start {SERVICE}")


@pytest.mark.usefixtures("web_server")
def test_after_a_new_update_key_renewals_go_on(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    host.check_output("rm /etc/bind/lightship/acme-update.key")
    assert deploy("dns_zone", "proxy13", tmp_path, **zone_host.VARIABLES) > 0
    assert deploy("certificates", "proxy13", tmp_path, **VARIABLES) > 0
    assert issued(host) == before
    host.check_output(RENEW + DOMAIN)
    assert issued(host) == shown() != before


@pytest.mark.usefixtures("web_server")
def test_another_authority_means_another_certificate(host: Host, tmp_path: Path) -> None:
    before = issued(host)
    other = {**VARIABLES, "certificates_ca": "https://acme:14000/dir?another"}
    assert deploy("certificates", "proxy13", tmp_path, **other) > 0
    assert issued(host) == shown() != before
    assert deploy("certificates", "proxy13", tmp_path, **other) == 0
    deploy("certificates", "proxy13", tmp_path, **VARIABLES)
    assert issued(host) == shown()
