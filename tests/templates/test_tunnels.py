"""From the inventory's list of tunnels to what sshd and the registry read, and what a wrong entry is answered with."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from lightship_protocol.forms import USER
from lightship_registry.core import settings
from lightship_registry.core.records import Owner
from lightship_registry.core.tunnel_settings import read_tunnels
from templates.test_link_registry import SITE

Tunnels = list[dict[str, Any]]

ROLES = Path(__file__).resolve().parents[2] / "roles"
GROUP_VARS = ROLES.parent / "ansible" / "group_vars" / "all.yml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice@workstation"
FIXED = {"key": KEY, "listen": ["localhost:8889"]}
ALICE = {"cluster": "demo", "user": "alice", "listen": ["localhost:8888"]}
PLACES = "Set listen to a list of ADDRESS:PORT with ports from 1024 to 65535"
WHO = "Give it either key, or cluster and user"


def wired(tunnels: object) -> Any:
    """Return what the registry's role is handed."""
    return templar(ssh_gateway_tunnels=tunnels).template(load(GROUP_VARS)["link_registry_tunnels"])


def complaints(tunnels: Tunnels) -> Iterator[str]:
    """Yield what both preflights say of a site's list, as Ansible would, in the order of `validate.yml`."""
    clusters = SITE["link_registry_clusters"]
    known = {
        "ssh_gateway_tunnels": tunnels,
        "link_registry_tunnels": wired(tunnels),
        "link_registry_clusters": clusters,
    }
    for role in ("link_registry", "ssh_gateway"):
        private = load(ROLES / role / "vars" / "main.yml")
        for task in load(ROLES / role / "tasks" / "preflight.yml"):
            if "_tunnels }}" not in task.get("loop", "") and "__ssh_gateway_fixed" not in task.get("loop", ""):
                continue
            said = task["ansible.builtin.assert"]
            conditions = said["that"] if isinstance(said["that"], list) else [said["that"]]
            for item in templar(**private, **known).template(task["loop"]):
                engine = templar(**private, **known, item=item)
                engine.template(task["loop_control"]["label"])
                if not all(engine.evaluate_conditional(condition) for condition in conditions):
                    yield str(engine.template(said["fail_msg"]))
                    return  # as the run does


def load(path: Path) -> Any:
    return DataLoader().load_from_file(str(path), trusted_as_template=True)


def templar(**variables: object) -> Templar:
    return Templar(DataLoader(), variables=variables)


@pytest.mark.parametrize(
    "tunnels",
    [
        [],
        [FIXED, ALICE],
        [{**ALICE, "user": "DOMAIN\\alice"}, {**ALICE, "user": "alice@ad.example.org"}],
        [{**ALICE, "listen": ["*:1024", "[::1]:65535", "127.0.0.1:8888"]}],
    ],
)
def test_a_right_list_is_passed_and_the_registry_takes_it(tunnels: Tunnels) -> None:
    assert list(complaints(tunnels)) == []
    users = {Owner("demo", entry["user"]) for entry in tunnels if "user" in entry}
    assert read_tunnels(wired(tunnels), {"demo"}).keys() == users


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({**ALICE, "cluster": "dmeo"}, 'lets alice of "dmeo" open tunnels, and there is no such cluster'),
        ({**ALICE, "user": "al ice"}, 'has the user "al ice", which is no name of a Unix user'),
        ({**ALICE, "user": "alice\n"}, 'has the user "alice\\n"'),
        ({**ALICE, "user": 1001}, "has the user 1001"),
        # What INI makes of one backslash where two are needed.
        ({**ALICE, "user": "DOMAIN\alice"}, 'a backslash is written twice there, e.g. "DOMAIN\\\\alice".'),
        ({**ALICE, "key": KEY}, WHO),
        ({"cluster": "demo", "listen": ["localhost:8888"]}, WHO),
        ({"user": "alice", "listen": ["localhost:8888"]}, WHO),
        ({**FIXED, "user": "alice"}, WHO),
        ({**FIXED, "cluster": "demo"}, WHO),
        ({"listen": ["localhost:8888"]}, WHO),
        ({**FIXED, "key": "ssh-ed25519 AAAA"}, "which is cut off or damaged. Copy the whole line of the .pub file"),
        ({**FIXED, "key": KEY.replace("ed25519", "rsa", 1)}, "whose content is not of the kind ssh-rsa"),
        ({**FIXED, "key": f"{KEY[:50]}== alice"}, "which is cut off or damaged"),
        ({**FIXED, "key": f'command="id" {KEY}'}, "Set it to one public key, the line of a .pub file"),
        *(
            ({**entry, "listen": listen}, PLACES)
            for entry in (ALICE, FIXED)
            for listen in (
                *([], "localhost:8888", ["8888"], [8888], ["localhost"], ["localhost:0"], ["localhost:80"]),
                *(["localhost:99999"], ["localhost:8888\n"], ['localhost:8888",command="id']),
            )
        ),
    ],
)
def test_a_wrong_entry_is_answered_with_its_fault(entry: dict[str, Any], words: str) -> None:
    (sentence,) = complaints([ALICE, entry])
    assert sentence.startswith("ssh_gateway_tunnels ")
    assert words in sentence


def test_a_user_is_to_the_role_what_it_is_to_the_registry() -> None:
    assert load(ROLES / "link_registry" / "vars" / "main.yml")["__link_registry_user_pattern"] == rf"{USER.pattern}\Z"


def test_the_registry_is_told_of_users_and_sshd_of_keys(render: Callable[..., str]) -> None:
    tunnels = [FIXED, {**ALICE, "user": "DOMAIN\\alice"}]
    site = {**SITE, "link_registry_tunnels": wired(tunnels), "link_registry_tunnel_destination": "tunnel@example.org"}
    read = settings.parse(tomllib.loads(render("link_registry", "registry.toml.j2", **site)))
    assert read.tunnels == {Owner("demo", "DOMAIN\\alice"): ("localhost:8888",)}
    assert read.tunnel_destination == "tunnel@example.org"
    keys = render("ssh_gateway", "tunnel_keys.j2", ssh_gateway_tunnels=tunnels)
    assert [line for line in keys.splitlines() if not line.startswith("#")] == [
        f'restrict,port-forwarding,permitlisten="localhost:8889" {KEY}'
    ]


def test_sshd_asks_for_users_keys_where_the_registry_writes_them(render: Callable[..., str]) -> None:
    folder = "/run/lightship/tunnels"
    conf = render("ssh_gateway", "sshd.conf.j2", ssh_gateway_tunnels=[ALICE])
    (command,) = (line.split() for line in conf.splitlines() if "AuthorizedKeysCommand " in line)
    assert command[-1] == f"{folder}/authorized_keys"
    assert "    AuthorizedKeysCommandUser lightship-tunnel\n" in conf
    assert f"d {folder} 0755 lightship lightship\n" in render("link_registry", "tmpfiles.conf.j2", **SITE)
    assert f'tunnels_dir = "{folder}"\n' in render("link_registry", "registry.toml.j2", **SITE)
    assert folder not in render("ssh_gateway", "sshd.conf.j2", ssh_gateway_tunnels=[FIXED])
