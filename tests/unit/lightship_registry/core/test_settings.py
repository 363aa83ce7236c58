from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.core import settings
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Owner

GOOD: dict[str, Any] = {
    "domain": "notebooks.example.org",
    "clusters": {"demo": {"networks": ["10.1.0.0/16", "fd00::/8"]}},
}


def test_defaults() -> None:
    loaded = settings.parse(GOOD)
    assert (loaded.https_port, loaded.lease_seconds, loaded.target_rest_seconds) == (443, 90, 75)
    assert str(loaded.store) == "sqlite:////var/lib/lightship/registry.sqlite3"
    assert loaded.registry_host == "registry.notebooks.example.org"
    assert not loaded.allow_local_targets
    assert loaded.audit_file == Path("/var/log/lightship/audit.jsonl")
    assert loaded.metrics_port == 0


def test_the_audit_may_be_the_journal_alone() -> None:
    assert settings.parse({**GOOD, "audit_file": ""}).audit_file is None


def test_origin_shows_only_an_unusual_port() -> None:
    assert settings.parse(GOOD).origin("a-b-c") == "https://a-b-c.notebooks.example.org"
    assert settings.parse({**GOOD, "https_port": 8443}).origin("a-b-c").endswith(".org:8443")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"domain": None}, "domain"),
        ({"domain": "Notebooks.example.org"}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": "a..b"}, "domain"),
        ({"domain": "a.b\n"}, "domain"),
        ({"domian": "a.b"}, "domian"),
        ({"allow_local_targets": True}, "allow_local_targets"),
        ({"https_port": "443"}, "https_port"),
        ({"https_port": True}, "https_port"),
        ({"https_port": 0}, "https_port"),
        ({"state_dir": "here"}, "state_dir"),
        ({"routes_dir": ["/run"]}, "routes_dir"),
        ({"heartbeat_seconds": 90}, "heartbeat_seconds"),
        ({"message": 7}, "message"),
        ({"audit_file": 7}, "audit_file"),
        ({"audit_file": "audit.jsonl"}, "audit_file"),
        ({"audit_file": "/var/log/"}, "audit_file"),
        ({"metrics_port": 80}, "metrics_port"),
        ({"message": "x" * 501}, "message"),
        ({"message": "bell \x07"}, "message"),
        ({"clusters": {}}, "clusters"),
        ({"clusters": []}, "cluster"),
        ({"clusters": {"../x": {"networks": ["10.0.0.0/8"]}}}, "../x"),
        ({"clusters": {"demo": ["10.0.0.0/8"]}}, "demo"),
        ({"clusters": {"demo": {"networks": []}}}, "clusters.demo.networks"),
        ({"clusters": {"demo": {"networks": "10.0.0.0/8"}}}, "clusters.demo.networks"),
        ({"clusters": {"demo": {"networks": [10]}}}, "clusters.demo.networks"),
        ({"clusters": {"demo": {"networks": ["10.0.0.1/8"]}}}, "clusters.demo.networks"),
        ({"clusters": {"demo": {"networks": ["10.0.0.0/8"], "key": "x"}}}, "demo"),
        ({"clusters": {"demo": {"satellite_networks": ["10.0.0.0/8"]}}}, "demo"),
        (
            {"clusters": {"demo": {"networks": ["10.0.0.0/8"], "satellite_networks": ""}}},
            "clusters.demo.satellite_networks",
        ),
        ({"clusters": {"demo": {"networks": ["10.0.0.0/8"], "satellite_networks": ["x"]}}}, "demo.satellite_networks"),
        ({"satellite_quota": 0}, "satellite_quota"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], names: str) -> None:
    with pytest.raises(RegistryError, match=re.escape(names)) as caught:
        settings.parse({**GOOD, **change})
    assert caught.value.code == "settings"


def test_the_satellite_interface_is_off_unless_a_cluster_names_where_its_clients_run() -> None:
    assert settings.parse(GOOD).satellite_networks == {}
    clusters = {**GOOD["clusters"], "old": {"networks": ["10.2.0.0/16"], "satellite_networks": ["10.2.0.0/15"]}}
    loaded = settings.parse({**GOOD, "clusters": clusters})
    assert {name: [str(each) for each in found] for name, found in loaded.satellite_networks.items()} == {
        "old": ["10.2.0.0/15"]
    }
    assert loaded.manage_host == "manage.notebooks.example.org"


def test_an_address_of_the_satellites_clients_is_one_clusters() -> None:
    clusters = {
        name: {"networks": ["10.1.0.0/16"], "satellite_networks": networks}
        for name, networks in (("demo", ["10.1.0.0/16", "fd00::/8"]), ("old", ["10.0.0.0/8", "10.9.0.0/16"]))
    }
    with pytest.raises(RegistryError, match="satellite_networks of the clusters demo and old overlap"):
        settings.parse({**GOOD, "clusters": clusters})


URL = "postgresql+psycopg://lightship:%s@10.9.0.5/lightship"


def test_a_store_elsewhere() -> None:
    loaded = settings.parse({**GOOD, "store_url": URL % "p%40ss"})
    assert (loaded.store.host, loaded.store.password, loaded.store.database) == ("10.9.0.5", "p@ss", "lightship")
    assert "p@ss" not in f"{loaded} {loaded.store}"
    assert "p%40ss" not in f"{loaded} {loaded.store}"


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://u:hunter2@10.9.0.5/lightship",
        "postgresql+asyncpg://u:hunter2@10.9.0.5/lightship",
        "sqlite:////tmp/hunter2",
        "postgresql+psycopg://u:hunter2@10.9.0.5/",
        "postgresql+psycopg://u:hunter2/x@10.9.0.5:hunter2/lightship",
        "postgresql+psycopg://u@10.9.0.5/lightship?password=hunter2",
        "hunter2",
        ["hunter2"],
        True,
        None,
    ],
)
def test_a_wrong_store_is_told_without_showing_it(value: object) -> None:
    with pytest.raises(RegistryError, match="store_url must") as caught:
        settings.parse({**GOOD, "store_url": value})
    assert caught.value.code == "settings"
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("content", [b"domain = ", b"\xff", None])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "registry.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RegistryError, match=r"registry\.toml"):
        settings.load(path)


def test_the_readme_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    readme = (Path(settings.__file__).parents[1] / "README.md").read_text("utf-8")
    example = tmp_path / "registry.toml"
    example.write_text(readme.split("```toml\n")[1].split("```")[0], "utf-8")
    shown = settings.load(example)
    assert shown == settings.parse({"domain": shown.domain, "clusters": {"demo": {"networks": ["10.89.77.0/24"]}}})
    for key in ("message", "store_url", "audit_file", "tunnel_destination", *settings.NUMBERS, *settings.FOLDERS):
        assert re.search(rf"^{key} = ", example.read_text("utf-8"), re.MULTILINE)


TUNNEL = {"cluster": "demo", "user": "alice", "listen": ["localhost:8888"]}


def test_a_users_places_are_put_together() -> None:
    more = {**TUNNEL, "listen": ["localhost:8888", "*:8889", "[::1]:8890"]}
    parsed = settings.parse({**GOOD, "tunnels": [TUNNEL, more], "tunnel_destination": "lightship-tunnel@proxy"})
    assert parsed.tunnels == {Owner("demo", "alice"): ("localhost:8888", "*:8889", "[::1]:8890")}
    assert parsed.tunnel_destination == "lightship-tunnel@proxy"


@pytest.mark.parametrize(
    ("tunnels", "words"),
    [
        ({}, "must be a list of tables"),
        (["demo"], "must be a list of tables"),
        ([{"cluster": "demo", "user": "alice"}], "cluster, user and listen, and nothing else"),
        ([{**TUNNEL, "key": "ssh-ed25519 AAAA"}], "cluster, user and listen, and nothing else"),
        ([{**TUNNEL, "cluster": "elsewhere"}], r"no table \[clusters.NAME\]"),
        ([{**TUNNEL, "user": "al ice"}], "no name of a Unix user"),
        ([{**TUNNEL, "listen": []}], "listen must be a list"),
        ([{**TUNNEL, "listen": "localhost:8888"}], "listen must be a list"),
        ([{**TUNNEL, "listen": ["8888"]}], "listen must be a list"),
        ([{**TUNNEL, "listen": ["localhost:0"]}], "listen must be a list"),
        ([{**TUNNEL, "listen": ["localhost:65536"]}], "listen must be a list"),
        ([{**TUNNEL, "listen": ['localhost:1",command="id']}], "listen must be a list"),
        ([{**TUNNEL, "listen": ["localhost:8888\nssh-rsa"]}], "listen must be a list"),
    ],
)
def test_a_tunnel_that_sshd_could_misread_is_refused(tunnels: object, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        settings.parse({**GOOD, "tunnels": tunnels})


@pytest.mark.parametrize("value", [5, "proxy", "root@", "a@b c", "a@b\n"])
def test_where_tunnels_log_in_must_be_user_and_host(value: object) -> None:
    with pytest.raises(RegistryError, match="tunnel_destination must be"):
        settings.parse({**GOOD, "tunnel_destination": value})
