"""Each way in which a renewal fails: the old certificate is presented, the service fails, and the doctor says why."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from lightship_registry.admin import web_checks
from lightship_registry.admin.checks import WARNING
from lightship_registry.monitoring.check_report import CHECK
from support import bed, second_authority, stand_in_authority
from support.certificates_host import DOMAIN, LIVE, SERVICE, WEB, issued, shown
from support.deploy import RENEW

testinfra_hosts = ["ssh://proxy13"]

DROP_IN = f"/run/systemd/system/{SERVICE}.service.d"
PROGRAMS = "/usr/local/lib/lightship"
ARCHIVE = f"/etc/letsencrypt/archive/{DOMAIN}"
RENEWAL = f"/etc/letsencrypt/renewal/{DOMAIN}.conf"
CREDENTIALS = "/etc/letsencrypt/lightship/rfc2136.ini"
NAMED = "/etc/bind/lightship/named.conf"
FULL = "/run/full-disk"
RELOAD = "/run/systemd/system/certificates-test.service.d"
# The version after the one in place, with links to it, as a copy to damage: $1 and $2 are the numbers.
COPY = (
    f"set -- $(readlink {LIVE}/cert.pem | tr -dc 0-9); set -- $1 $(($1 + 1)); cd {ARCHIVE}; "
    "for kind in cert chain fullchain privkey; do cp -p $kind$1.pem $kind$2.pem; "
    f"ln -sfn ../../archive/{DOMAIN}/$kind$2.pem {LIVE}/$kind.pem; done; "
)


def edit(path: str, change: str) -> str:
    """Change a file by sed, and keep it as it was."""
    return f"cp -p {path} {path}.before && sed -i {shlex.quote(change)} {path}"


def put_back(path: str) -> str:
    """Undo that."""
    return f"mv {path}.before {path}"


# The account of the bed's own authority is unknown to others.
OTHER = edit(RENEWAL, "/^account = /d")
OTHER_BACK = f"{put_back(RENEWAL)} && rm -rf /etc/letsencrypt/accounts/acme:{stand_in_authority.PORT}"


def full(folder: str, pages: int) -> str:
    """Mount over a folder a disk with its files, on which so many pages of 4 KiB are free."""
    return (
        f"mkdir -p {FULL} && mount -t tmpfs -o size=64m tmpfs {FULL} && cp -a {folder}/. {FULL} && "
        f"mount -o remount,size=$(($(df --output=used -B4k {FULL} | tail -n 1) * 4 + {pages * 4}))k {FULL} && "
        f"mount --bind {FULL} {folder}"
    )


def room() -> str:
    """Make room on that disk."""
    return f"mount -o remount,size=64m {FULL}"


def whole(folder: str) -> str:
    """Put what is there by now onto the real disk."""
    return f"umount {folder} && cp -a --remove-destination {FULL}/. {folder} && umount {FULL}"


def clock(days: int) -> tuple[str, ...]:
    """The settings of a unit whose processes see another day."""
    return (f"LD_PRELOAD={bed.FAKETIME}", f"FAKETIME={days:+d}d", "FAKETIME_DONT_FAKE_MONOTONIC=1")


@dataclass(frozen=True)
class Failure:
    """How it is made and undone on the host, and what is told of it."""

    reason: str
    phrase: str
    make: str = ":"
    undo: str = ":"
    # After the next run succeeded.
    clean: str = ":"
    options: tuple[str, ...] = ("--force-renewal",)
    environment: tuple[str, ...] = ()


def at(port: int) -> tuple[str, ...]:
    """certbot's options for another authority."""
    return ("--force-renewal", "--server", f"https://acme:{port}/dir")


FAILURES = {
    "authority away": Failure("authority-unreachable", "cannot be reached", options=at(14009)),
    "429": Failure(
        "rate-limited",
        f"after: {stand_in_authority.RETRY_SECONDS} seconds",
        OTHER,
        OTHER_BACK,
        options=at(stand_in_authority.PORT),
    ),
    "nonces": Failure("bad-nonce", "refused the nonce", OTHER, OTHER_BACK, options=at(second_authority.PORT)),
    "untrusted authority": Failure(
        "authority-untrusted",
        "certificates_acme_ca_file",
        environment=("REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",),
    ),
    "validation": Failure(
        "validation-failed",
        f"_acme-challenge.{DOMAIN}",
        edit(NAMED, '/^zone "_acme/a allow-query { 127.0.0.1; };') + " && rndc reconfig",
        f"{put_back(NAMED)} && rndc reconfig",
    ),
    "name server down": Failure(
        "name-server-unreachable",
        "does not answer",
        # A stopped one is waited for at 45 seconds a query.
        f"{edit(CREDENTIALS, 's/^dns_rfc2136_server = .*/dns_rfc2136_server = 192.0.2.53/')} && "
        "ip route add unreachable 192.0.2.53",
        f"{put_back(CREDENTIALS)}; ip route del unreachable 192.0.2.53",
    ),
    "wrong update key": Failure(
        "update-key-refused",
        "--tags dns_zone,certificates",
        edit(CREDENTIALS, "s/^dns_rfc2136_secret = .*/dns_rfc2136_secret = d3Jvbmc=/"),
        put_back(CREDENTIALS),
    ),
    "unknown update key": Failure(
        "update-key-refused",
        "--tags dns_zone,certificates",
        edit(CREDENTIALS, "s/^dns_rfc2136_name = .*/dns_rfc2136_name = unknown/"),
        put_back(CREDENTIALS),
    ),
    "hook": Failure(
        "reload-failed",
        "cannot be reloaded",
        f"mkdir -p {RELOAD} && printf '[Service]\\nExecReload=\\nExecReload=false\\n' >{RELOAD}/x.conf && "
        "systemctl daemon-reload",
        f"rm -r {RELOAD} && systemctl daemon-reload",
    ),
    "web server": Failure(
        "web-server-config",
        "Mend the configuration",
        f"echo 'no such directive;' >{WEB}/fault.conf",
        f"rm {WEB}/fault.conf",
    ),
    "disk full before the order": Failure(
        "disk-full", "Make room", full("/var/log/letsencrypt", 1), room(), whole("/var/log/letsencrypt")
    ),
    "disk full at the certificate": Failure("disk-full", "Make room", full(ARCHIVE, 1), room(), whole(ARCHIVE)),
    "disk full at the last file": Failure("disk-full", "Make room", full(ARCHIVE, 3), room(), whole(ARCHIVE)),
    "disk full at certbot's state": Failure(
        "disk-full", "Make room", full("/etc/letsencrypt/renewal", 0), room(), whole("/etc/letsencrypt/renewal")
    ),
    "another key": Failure(
        "key-mismatch",
        "is not the key of",
        f"{COPY} openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out privkey$2.pem",
        options=(),
    ),
    "no chain": Failure(
        "chain-broken", "lacks the certificates of the authority", f"{COPY} cp cert$2.pem fullchain$2.pem", options=()
    ),
    "wrong order": Failure(
        "chain-broken", "are in the wrong order", f"{COPY} cat chain$2.pem cert$2.pem >fullchain$2.pem", options=()
    ),
    "clock a day behind": Failure("clock", "The clock of this host", environment=clock(-1)),
    "clock a day ahead": Failure("clock", "The clock of this host", environment=clock(1)),
    # Without an update that a name server could find too late, the authority's answer on when to renew tells.
    "clock a day ahead and nothing due": Failure(
        "clock",
        "differs from the authority's by 24 hours",
        edit(RENEWAL, "/^ari_retry_after = /d"),
        put_back(RENEWAL),
        options=(),
        environment=clock(1),
    ),
}


@pytest.fixture(scope="module")
def authorities(host: Host) -> Iterator[None]:
    """Run the other authorities on the host of the bed's own."""
    program = Path(stand_in_authority.__file__).read_text("utf-8")
    bed.run(
        "acme", "cat >/run/stand_in.py && systemd-run --quiet --unit=stand-in python3 /run/stand_in.py", text=program
    )
    second_authority.wait_for(stand_in_authority.PORT)
    # certbot asks a second time after a refused nonce: of half of them an order needs too many to get through, but not
    # for sure. A test needs a sure one.
    with second_authority.second_authority(host, rejected=100):
        yield
    bed.run("acme", "systemctl stop stand-in; rm /run/stand_in.py")


@pytest.fixture(scope="module")
def presented(host: Host, web_server: None, authorities: None) -> None:  # noqa: ARG001
    """A certificate that is in place and presented, and what makes programs see another day."""
    host.check_output(bed.GET_FAKETIME)
    host.check_output(RENEW + DOMAIN)
    assert shown() == issued(host)


def due(host: Host, failure: Failure) -> None:
    """Have the service renew although nothing is due, with certbot's options of the failure."""
    lines = [
        "[Service]",
        *(f"Environment={each}" for each in failure.environment),
        "ExecStart=",
        f"ExecStart=/opt/certbot/bin/python -B {PROGRAMS}/certificates-renew -- {shlex.join(failure.options)}",
        f"ExecStart={PROGRAMS}/certificates-deployed",
    ]
    host.check_output("mkdir -p %s && printf '%%s\\n' %s >%s/test.conf", DROP_IN, "\n".join(lines), DROP_IN)
    host.check_output("systemctl daemon-reload")


def doctor(host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the doctor says of the renewal on that host: the role alone has no registry there."""
    kept = folder / "failure.json"
    kept.write_text(host.check_output("cat /run/lightship-certificates/failure.json"))
    monkeypatch.setattr(web_checks, "FAILURE", kept)

    def unit(name: str, *properties: str) -> dict[str, str]:
        wanted = ",".join(("LoadState", "ActiveState", *properties))
        told = host.check_output(f"systemctl show --timestamp=unix --property={wanted} {name}")
        return dict(line.split("=", 1) for line in told.splitlines())

    monkeypatch.setattr(web_checks, "unit", unit)
    (finding,) = web_checks.renewal(None)  # type: ignore[arg-type] # the timer is there, so nothing asks the settings
    return finding


@pytest.mark.usefixtures("presented")
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_the_old_certificate_stays_and_the_reason_is_told(
    host: Host, failure: Failure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown()
    due(host, failure)
    host.check_output(failure.make)
    try:
        host.check_output(f"systemctl reset-failed {SERVICE}")
        assert host.run(f"systemctl start {SERVICE}").failed
        assert host.check_output(f"systemctl is-failed {SERVICE}") == "failed"
        assert shown() == before
        finding = doctor(host, tmp_path, monkeypatch)
        assert (finding.level, finding.reason) == (WARNING, failure.reason), finding
        assert CHECK.fullmatch(finding.reason)
        assert failure.phrase in f"{finding.what} {finding.remedy}"
    finally:
        host.check_output(f"{failure.undo}; rm -r {DROP_IN}; systemctl daemon-reload")
    try:
        host.check_output(f"systemctl reset-failed {SERVICE}; systemctl start {SERVICE}")
        assert shown() == issued(host)
        assert not host.file("/run/lightship-certificates/failure.json").exists
        host.check_output(f"nginx -t -c {WEB}/nginx")
    finally:
        host.check_output(failure.clean)
