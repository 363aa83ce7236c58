"""What the tunnel account can do, tried with ssh as its users and its enemies would."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pytest
from testinfra.host import Host

from support import bed

testinfra_hosts = ["ssh://proxy13"]

KEY = bed.STATE / "tunnel_key"
ALLOWED, OTHER, USERS = 18888, 18889, 18890
# As in molecule.yml.
MOST = 3
# What the registry writes, where there is one.
USERS_KEYS = "/run/lightship/tunnels/authorized_keys"


@pytest.fixture(scope="module", autouse=True)
def patient(host: Host) -> Iterator[None]:
    """Have sshd forgive: enemies and administrators share an address here, and a few refusals would shut it out."""
    conf = "/etc/ssh/sshd_config.d/20-bed.conf"
    # Not reload: sshd then starts itself anew, and until it listens again connections are refused.
    host.check_output(f"echo 'PerSourcePenalties no' >{conf} && sshd -t && systemctl restart ssh")
    yield
    host.check_output(f"rm {conf} && systemctl restart ssh")


def tunnel(*options: str, command: tuple[str, ...] = (), key: Path = KEY) -> list[str]:
    """Return an ssh command that logs in to the tunnel account with its own key."""
    flags = ["-F", str(bed.STATE / "ssh_config"), "-i", str(key), "-l", "lightship-tunnel"]
    settings = ["BatchMode=yes", "ExitOnForwardFailure=yes", "ConnectTimeout=30", f"IdentityFile={key}"]
    return ["ssh", *flags, *(word for s in settings for word in ("-o", s)), *options, "proxy13", *command]


def refused(*options: str, command: tuple[str, ...] = (), key: Path = KEY) -> bool:
    """Tell whether sshd turned an attempt down; only one that it took in error stays until the time is over."""
    try:
        done = subprocess.run(tunnel(*options, command=command, key=key), capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode != 0


@contextmanager
def opened(*options: str, key: Path = KEY) -> Iterator[None]:
    """Hold a tunnel open, from when sshd has granted all that it asks for."""
    with TemporaryDirectory() as folder, TemporaryFile("w+", encoding="utf-8") as said:
        control = ("-S", f"{folder}/control")
        # -f: ssh returns when every forwarding stands, and holds the tunnel from the background.
        start = tunnel("-f", "-N", "-M", *control, *options, key=key)
        done = subprocess.run(start, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=60, check=False)
        said.seek(0)
        assert done.returncode == 0, said.read()
        try:
            yield
        finally:
            subprocess.run(tunnel(*control, "-O", "exit", key=key), capture_output=True, timeout=60, check=True)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1"])
def test_a_listed_port_opens_on_loopback_alone(host: Host, address: str) -> None:
    with opened("-R", f"{address}:{ALLOWED}:localhost:9"):
        assert host.socket(f"tcp://127.0.0.1:{ALLOWED}").is_listening
        assert not host.socket(f"tcp://0.0.0.0:{ALLOWED}").is_listening


@pytest.mark.parametrize(
    "place", [f"localhost:{OTHER}", f"*:{ALLOWED}", f":{ALLOWED}", f"0.0.0.0:{ALLOWED}", f"10.89.77.13:{ALLOWED}"]
)
def test_a_place_that_the_key_does_not_list_is_refused(place: str) -> None:
    assert refused("-N", "-R", f"{place}:localhost:9")


@pytest.mark.parametrize("command", [(), ("id",), ("/bin/sh", "-c", "id")])
def test_a_shell_or_a_command_is_refused(command: tuple[str, ...]) -> None:
    assert refused("-T", command=command)


@pytest.mark.parametrize("place", ["127.0.0.1:53", "127.0.0.1:22", "acme:14000", "[::1]:22"])
def test_the_way_into_another_service_is_refused(place: str) -> None:
    assert refused("-W", place)


def test_a_unix_socket_is_refused(host: Host) -> None:
    assert refused("-N", "-R", "/tmp/tunnel.sock:localhost:9")
    assert not host.file("/tmp/tunnel.sock").exists


def test_a_password_or_another_key_is_refused(host: Host) -> None:
    stranger = subprocess.run(
        ["ssh", "-F", str(bed.STATE / "ssh_config"), "-o", "BatchMode=yes", "-l", "lightship-tunnel", "-N", "proxy13"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert "Permission denied (publickey)" in stranger.stderr
    assert host.user("lightship-tunnel").password == "*"


def test_administrators_log_in_as_ever(host: Host) -> None:
    effective = host.check_output("sshd -T -C user=root,host=x,addr=10.89.77.1").splitlines()
    # As the bed has it for all.
    assert "maxsessions 100" in effective
    assert "allowtcpforwarding yes" in effective
    assert host.check_output("id -un") == "root"


def test_gateway_ports_are_what_the_inventory_says(host: Host) -> None:
    effective = host.check_output("sshd -T -C user=lightship-tunnel,host=x,addr=10.89.77.1").splitlines()
    assert "gatewayports clientspecified" in effective


def test_sshd_lets_no_line_of_a_key_go_beyond_the_inventory(host: Host) -> None:
    effective = host.check_output("sshd -T -C user=lightship-tunnel,host=x,addr=10.89.77.1").splitlines()
    assert f"permitlisten localhost:{ALLOWED} 127.0.0.1:{ALLOWED} localhost:{USERS}" in effective


@contextmanager
def without_registry(host: Host) -> Iterator[None]:
    """Stop the registry that another scenario may have left on the host: it would write its own file within seconds."""
    units = "lightship-registry.socket lightship-registry.service"
    runs = host.run(f"systemctl is-active {units}").succeeded
    if runs:
        host.check_output(f"systemctl stop {units}")
    yield
    if runs:
        host.check_output(f"systemctl start {units}")


@pytest.fixture
def users_key(host: Host, tmp_path: Path) -> Iterator[Path]:
    """Yield a key that a user gave; the inventory's own was given by somebody as well."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with without_registry(host):
        for given in (KEY, key):
            public = given.with_name(f"{given.name}.pub").read_text("utf-8").strip()
            # Wider than the inventory: whoever took over the registry's account could write so.
            places = ",".join(f'permitlisten="localhost:{port}"' for port in (USERS, OTHER))
            line = shlex.quote(f"restrict,port-forwarding,{places} {public}")
            host.check_output(f"mkdir -p {Path(USERS_KEYS).parent} && echo {line} >>{USERS_KEYS}")
        yield key
        host.check_output(f"rm {USERS_KEYS}")


def test_a_users_key_opens_the_users_place(host: Host, users_key: Path) -> None:
    with opened("-R", f"localhost:{USERS}:localhost:9", key=users_key):
        assert host.socket(f"tcp://127.0.0.1:{USERS}").is_listening
    assert refused("-N", "-R", f"localhost:{ALLOWED}:localhost:9", key=users_key)
    assert refused("-N", "-R", f"localhost:{OTHER}:localhost:9", key=users_key), "the inventory does not name it"
    assert refused("-T", command=("id",), key=users_key)


@pytest.mark.usefixtures("users_key")
def test_whoever_gives_the_inventorys_key_takes_nothing_from_it() -> None:
    with opened("-R", f"localhost:{ALLOWED}:localhost:9"):
        pass
    assert refused("-N", "-R", f"localhost:{USERS}:localhost:9")


def open_tunnels(host: Host) -> int:
    """Count sshd's processes that serve the tunnel account."""
    return int(host.run("pgrep -c -u lightship-tunnel sshd").stdout)


def test_one_key_has_only_so_many_tunnels_open_and_takes_none_of_anothers(host: Host, users_key: Path) -> None:
    bed.eventually(lambda: open_tunnels(host) == 0, "an earlier test's tunnel is open", 20)
    with ExitStack() as tunnels:
        # Nothing is asked of a connection but to stay; it needs no port to use up memory.
        for number in range(1, MOST + 1):
            tunnels.enter_context(opened())
            # sshd tells ssh before it starts the process that serves the tunnel.
            bed.eventually(lambda number=number: open_tunnels(host) == number, "no tunnel opened", 20)  # type: ignore[misc]
        assert refused("-N")
        said = "journalctl -q -t list-tunnel-keys -n 5 | grep -F 'as many as ssh_gateway_key_tunnels allows'"
        bed.eventually(lambda: host.run(said).succeeded, "nothing says why", 20)
        with opened("-R", f"localhost:{USERS}:localhost:9", key=users_key):
            assert host.socket(f"tcp://127.0.0.1:{USERS}").is_listening
    bed.eventually(lambda: open_tunnels(host) == 0, "a tunnel outlives its client", 20)
    with opened("-R", f"localhost:{ALLOWED}:localhost:9"):
        assert host.socket(f"tcp://127.0.0.1:{ALLOWED}").is_listening


def test_a_public_key_alone_uses_up_no_tunnel(host: Host, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY.with_name(f"{KEY.name}.pub").read_text("utf-8"), "utf-8")
    # sshd says that it would take the key, and ssh cannot prove to have it.
    assert all(refused("-N", key=tmp_path / "key") for _ in range(MOST + 1))
    with opened("-R", f"localhost:{ALLOWED}:localhost:9"):
        assert host.socket(f"tcp://127.0.0.1:{ALLOWED}").is_listening


def test_without_the_registrys_file_a_users_key_opens_nothing(host: Host, users_key: Path) -> None:
    host.check_output(f"mv {USERS_KEYS} {USERS_KEYS}.away")
    try:
        assert refused("-N", "-R", f"localhost:{USERS}:localhost:9", key=users_key)
    finally:
        host.check_output(f"mv {USERS_KEYS}.away {USERS_KEYS}")
