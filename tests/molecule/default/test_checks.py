"""`lightship doctor` on a whole proxy: it sees each thing fail that may fail at night, and keeps it for the metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support import bed

LINEAGE = f"/etc/letsencrypt/live/{bed.DOMAIN}"
CONFIG = "/etc/nginx/lightship.conf"
TIMER = "lightship-certificates.timer"
# Another certificate of the same key on the disk, as after a renewal that the web server was not told of.
ANOTHER = "openssl req -x509 -new -key privkey.pem -subj /CN=x -out fullchain.pem"
REPORT = "/var/lib/lightship/doctor.json"

# The check, what breaks it and what mends it, and what is said.
FAULTS = [
    (
        "web-server",
        f"cp -p {CONFIG} /run/kept.conf && echo nonsense >>{CONFIG}",
        f"mv /run/kept.conf {CONFIG}",
        f"in {CONFIG}:",
    ),
    (
        "public-certificate",
        f"cd {LINEAGE} && mv fullchain.pem kept.pem && {ANOTHER}",
        f"cd {LINEAGE} && mv kept.pem fullchain.pem",
        "nginx.service shows the certificate",
    ),
    ("renewal", f"systemctl stop {TIMER}", f"systemctl start {TIMER}", "nothing renews the public certificate"),
    ("name-server", "systemctl stop named", "systemctl start named", "no link's name can be found"),
]


def findings() -> list[dict[str, Any]]:
    """What the doctor finds."""
    found: list[dict[str, Any]] = json.loads(bed.run("proxy", "lightship doctor --json", check=False).stdout)
    return found


def test_a_proxy_in_order_has_its_certificate_names_and_agents() -> None:
    bed.eventually(lambda: "last_heard.json" in bed.run("proxy", "ls /var/lib/lightship").stdout, "no agent was heard")
    found = findings()
    assert [finding for finding in found if finding["level"] == "wrong"] == []
    said = {finding["check"]: finding["what"] for finding in found if finding["level"] == "ok"}
    assert "the public certificate is the one on the disk" in [finding["what"] for finding in found]
    assert f"named.service answers for registry.{bed.DOMAIN}" in said["name-server"]
    assert "an agent of cluster demo was last heard" in said["agents"]
    (suffix,) = [finding for finding in found if finding["check"] == "public-suffix"]
    assert (suffix["level"], "not on this host's Public Suffix List" in suffix["what"]) == ("note", True)


@pytest.mark.parametrize(("check", "breaks", "mends", "said"), FAULTS, ids=[check for check, *_ in FAULTS])
def test_what_may_fail_at_night_is_seen(check: str, breaks: str, mends: str, said: str) -> None:
    bed.run("proxy", breaks)
    try:
        found = findings()
    finally:
        bed.run("proxy", mends)
    wrong = {finding["check"]: finding for finding in found if finding["level"] == "wrong"}
    assert set(wrong) == {check}
    assert said in wrong[check]["what"]
    assert wrong[check]["remedy"]


def test_the_timers_service_keeps_it_for_the_metrics_though_something_is_wrong() -> None:
    assert bed.run("proxy", "systemctl is-active lightship-doctor.timer").stdout == "active\n"
    bed.run("proxy", f"rm -f {REPORT}; systemctl stop {TIMER}")
    try:
        bed.run("proxy", "systemctl start lightship-doctor.service")
    finally:
        bed.run("proxy", f"systemctl start {TIMER}")
    report = json.loads(bed.run("proxy", f"cat {REPORT}").stdout)
    assert {check for check, level in report["levels"].items() if level == 2} == {"renewal"}
    assert report["public_certificate_ends"] > report["time"]
    assert bed.run("proxy", f"stat -c '%U %a' {REPORT}").stdout == "lightship 640\n"
