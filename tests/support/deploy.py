"""Deploy amid a scenario's tests: a playbook or the demo on the whole bed, or one role with other variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from testinfra.host import Host

from support.bed import REPOSITORY

INVENTORY = REPOSITORY / "tests" / "molecule" / "inventory"
# What an administrator types to renew a certificate before the time; its name follows.
RENEW = (
    "REQUESTS_CA_BUNDLE=/etc/letsencrypt/lightship/acme-ca.pem /opt/certbot/bin/certbot renew "
    "--config /etc/letsencrypt/lightship/certbot.ini --force-renewal --no-random-sleep-on-renew --cert-name "
)
PLAYBOOK = "[{hosts: %s, become: true, roles: [%s]}]\n"


def playbook(path: Path, *arguments: str, inventory: Path = INVENTORY, seconds: float = 600) -> str:
    """Run a playbook as an administrator does, and return what it printed.

    Args:
        path: the playbook, from the folder `ansible` if it is not absolute.
        arguments: more for ansible-playbook.
        inventory: the hosts, if not all of the bed.
        seconds: how long it may take.
    """
    settings = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible" / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(REPOSITORY / "ansible" / path), *arguments],
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def rotate(what: str, *more: str, inventory: Path = INVENTORY) -> str:
    """Replace a certificate or a key by the playbook for it, and return what it printed.

    Args:
        what: the value of lightship_rotate.
        more: more variables, name=value.
        inventory: the hosts, if not all of the bed.
    """
    words = (f"-e{word}" for word in (f"lightship_rotate={what}", *more))
    return playbook(Path("rotate_certificates.yml"), *words, inventory=inventory)


def demo(seconds: float = 400) -> str:
    """Run `make demo` on the bed that is up, and return what it printed."""
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("\r\n", "\n")


def bed_script(*arguments: str) -> None:
    """Have scripts/dev/bed.sh do something, and fail where it says no."""
    subprocess.run([REPOSITORY / "scripts" / "dev" / "bed.sh", *arguments], check=True, capture_output=True)


def deploy(role: str, host: str, folder: Path, **variables: object) -> int:
    """Deploy a role onto a host and return how many tasks changed something."""
    printed = deployed(role, host, folder, **variables)
    changed = re.search(rf"^{host} .*changed=(\d+)", printed, re.MULTILINE)
    assert changed, printed
    return int(changed[1])


def deployed(role: str, host: str, folder: Path, **variables: object) -> str:
    """Deploy a role onto a host and return what was printed.

    Args:
        role: the role's name.
        host: a host of the bed.
        folder: where the playbook may be written.
        variables: the role's variables.
    """
    written = folder / f"{role}.yml"
    written.write_text(PLAYBOOK % (host, role))
    return playbook(written, "-e", json.dumps(variables))


# Checks of what other roles put in place: in the registry's own scenario those left it in any state.
OTHER_ROLES = frozenset({"web-server", "public-certificate", "renewal", "name-server"})


def registry_faults(host: Host) -> list[dict[str, str]]:
    """Return what the doctor finds wrong with the registry where that role is deployed alone."""
    done = host.run("/usr/local/sbin/lightship doctor --json")
    findings: list[dict[str, str]] = json.loads(done.stdout)
    wrong = [finding for finding in findings if finding["level"] == "wrong"]
    assert done.rc == (1 if wrong else 0), done.stdout
    return [finding for finding in wrong if finding["check"] not in OTHER_ROLES]
