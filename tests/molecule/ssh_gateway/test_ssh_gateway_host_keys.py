"""New host keys of sshd: known before the old ones go, to everybody who connects, and no tunnel is cut."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from support import bed
from support.deploy import deploy, rotate

ADDRESS = "10.89.77.13"
FOLDER = "/etc/ssh"
PORT = 18888
KEPT = "/root/host-keys-before"
SCENARIO = yaml.safe_load(Path(__file__).with_name("molecule.yml").read_text("utf-8"))
ROLE = SCENARIO["provisioner"]["inventory"]["host_vars"]["proxy13"]
# A few refusals would otherwise shut this machine out; an sshd that does not know the setting does not do that.
PENALTIES = "/etc/ssh/sshd_config.d/20-bed.conf"
FORGIVING = f"echo 'PerSourcePenalties no' >{PENALTIES}; sshd -t || rm {PENALTIES}; systemctl restart ssh"


@dataclass(frozen=True)
class Client:
    """Somebody's ssh, with a file of known hosts of its own that ssh keeps up to date, as it does by default."""

    known: Path
    user: str = "root"
    key: Path = bed.STATE / "id_ed25519"

    def options(self, *, learns: bool = True) -> list[str]:
        """How it connects."""
        settings = [f"UserKnownHostsFile={self.known}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
        settings.append(f"UpdateHostKeys={'yes' if learns else 'no'}")
        return [word for each in settings for word in ("-o", each)]

    def ssh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Connect."""
        command = ["ssh", "-F", "/dev/null", *self.options(), "-o", "BatchMode=yes", "-i", str(self.key)]
        return subprocess.run(
            [*command, "-l", self.user, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, command: str) -> str:
        """Run a command as root, and return what it printed."""
        done = self.ssh(ADDRESS, command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def connected(self, *options: str) -> Iterator[Callable[[], bool]]:
        """Keep a connection open in the background; yields what tells whether it is."""
        control = ("-S", f"{self.known}.control")
        done = self.ssh("-f", "-N", "-M", *control, *options, ADDRESS)
        assert done.returncode == 0, done.stderr
        try:
            yield lambda: self.ssh(*control, "-O", "check", ADDRESS).returncode == 0
        finally:
            self.ssh(*control, "-O", "exit", ADDRESS)

    def knows(self) -> set[str]:
        """The keys that it takes."""
        return {" ".join(line.split()[1:3]) for line in self.known.read_text("utf-8").splitlines()}

    def inventory(self, *, learns: bool = True) -> Path:
        """The host, as it is to somebody whose ssh this is."""
        written = self.known.with_suffix(".ini")
        words = {"ansible_host": ADDRESS, "ansible_user": "root", "ansible_python_interpreter": "/usr/bin/python3"}
        words["ansible_ssh_private_key_file"] = str(self.key)
        words["ansible_ssh_common_args"] = f'"{" ".join(self.options(learns=learns))}"'
        written.write_text(f"[proxy]\nproxy13 {' '.join(f'{name}={value}' for name, value in words.items())}\n")
        return written


def new_client(folder: Path, name: str, user: str = "root", key: Path = bed.STATE / "id_ed25519") -> Client:
    """Somebody who knows the key that the host has now."""
    known = folder / name
    known.write_text("".join(f"{ADDRESS} {key}\n" for key in scanned()))
    return Client(known, user, key)


def scanned() -> set[str]:
    """The keys by which sshd proves itself."""
    done = subprocess.run(["ssh-keyscan", "-T", "20", ADDRESS], capture_output=True, text=True, timeout=60, check=False)
    return {" ".join(line.split()[1:3]) for line in done.stdout.splitlines() if not line.startswith("#")}


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Client]:
    """The administrator. Afterwards the host has the keys that all of the bed knows."""
    client = new_client(tmp_path, "ann")
    client.run(f"{FORGIVING}; mkdir -p {KEPT} && cp -a {FOLDER}/ssh_host_* {KEPT}")
    yield client
    back = f"rm -f {FOLDER}/ssh_host_* {FOLDER}/sshd_config.d/[024]*.conf {FOLDER}/sshd_config.d/*.before"
    client.run(f"{back}; cp -a {KEPT}/* {FOLDER} && rm -r {KEPT} && systemctl restart ssh")


def files(client: Client) -> str:
    """The keys, and what says which of them sshd has."""
    return client.run(f"cd {FOLDER} && sha256sum ssh_host_* sshd_config.d/*")


@pytest.fixture
def tunnel_stands(
    ann: Client,  # noqa: ARG001  it ends before the keys are put back
    tmp_path: Path,
) -> Iterator[Callable[[], bool]]:
    """A tunnel is open from before; yields what tells whether it still is."""
    away = new_client(tmp_path, "away", "lightship-tunnel", bed.STATE / "tunnel_key")
    with away.connected("-R", f"localhost:{PORT}:localhost:9") as stands:
        yield stands


def deployed_again(folder: Path) -> int:
    """Apply the role as the scenario does; how many tasks changed something."""
    first, *others = ROLE["ssh_gateway_tunnels"]
    key = (bed.STATE / "tunnel_key.pub").read_text("utf-8").strip()
    variables = {**ROLE, "ssh_gateway_tunnels": [{**first, "key": key}, *others]}
    return deploy("ssh_gateway", "proxy13", folder, **variables)


def fingerprints(said: str) -> set[str]:
    """Those that a playbook names."""
    return set(re.findall(r"SHA256:[A-Za-z0-9+/]+", said))


def test_new_host_keys_are_learned_before_the_old_ones_go(
    ann: Client, tunnel_stands: Callable[[], bool], tmp_path: Path
) -> None:
    old, before = scanned(), files(ann)
    bob, late = new_client(tmp_path, "bob"), new_client(tmp_path, "late")
    announced = fingerprints(rotate("ssh-host-keys", inventory=ann.inventory()))
    assert len(announced) == len(old)
    assert scanned() == old
    # What the playbook's own connection learned is enough for the control machine.
    bed.eventually(lambda: len(ann.knows()) == 2 * len(old), "the control machine does not learn the new keys", 20)
    assert old < ann.knows()
    assert bob.ssh(ADDRESS, "true").returncode == 0
    bed.eventually(lambda: bob.knows() == ann.knows(), "ssh does not learn the new keys", 20)
    # It needs no session, which the tunnel account has not.
    carol = new_client(tmp_path, "carol", "lightship-tunnel", bed.STATE / "tunnel_key")
    with carol.connected():
        bed.eventually(lambda: carol.knows() == ann.knows(), "ssh of a tunnel does not learn the new keys", 20)
    during = files(ann)
    assert deployed_again(tmp_path) == 0
    with pytest.raises(AssertionError, match=r"are open \([1-9]"):
        rotate("ssh-host-keys", "lightship_finish=true", inventory=ann.inventory())
    # A control machine whose ssh may not learn them would be locked out.
    with pytest.raises(AssertionError, match=r"would refuse proxy13 by its new keys"):
        rotate("ssh-host-keys", "lightship_finish=true", "lightship_now=true", inventory=late.inventory(learns=False))
    assert scanned() == old
    assert files(ann) == during

    said = rotate("ssh-host-keys", "lightship_finish=true", "lightship_now=true", inventory=ann.inventory())
    assert announced < fingerprints(said)
    assert scanned() == bob.knows() - old
    assert bob.ssh(ADDRESS, "true").returncode == 0
    bed.eventually(lambda: bob.knows() == scanned(), "ssh does not forget the old keys", 20)
    assert "Host key verification failed" in late.ssh(ADDRESS, "true").stderr
    assert tunnel_stands()
    # The configuration is as it was, and no other file is there.
    after, was = ({line.split()[1]: line.split()[0] for line in each.splitlines()} for each in (files(ann), before))
    assert {name.removesuffix(".pub") for name in after} == {name.removesuffix(".pub") for name in was}
    assert not {value for name, value in after.items() if "ssh_host" in name} & {*was.values()}


def test_an_sshd_whose_keys_others_chose_is_left_as_it_is(ann: Client) -> None:
    ann.run(f"echo HostKey {FOLDER}/ssh_host_ed25519_key >{FOLDER}/sshd_config.d/40-bed.conf")
    before = files(ann)
    with pytest.raises(AssertionError, match="has HostKey lines of its own"):
        rotate("ssh-host-keys", inventory=ann.inventory())
    assert files(ann) == before
