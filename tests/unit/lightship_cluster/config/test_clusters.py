from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.config.clusters import find_cluster
from lightship_cluster.config.settings import load_site
from lightship_cluster.core.errors import ExitStatus, LightshipError

COMET = "[cluster]\nhosts = comet-ln*, login?.comet.example.org\nagent_socket = /run/comet.sock\n[defaults]\ntime = 5\n"
TSCC = "[cluster]\nhosts = tscc*\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "comet.ini").write_text(COMET)
    (tmp_path / "clusters" / "tscc.ini").write_text(TSCC)
    (tmp_path / "lightship.ini").write_text("[lightship]\nregistry = https://registry.example.org\n")
    return tmp_path / "lightship.ini"


@pytest.mark.parametrize(
    ("host", "cluster"),
    [
        ("comet-ln2", "comet"),
        ("comet-ln2.sdsc.example.org", "comet"),
        ("login1.comet.example.org", "comet"),
        ("Login1.Comet.example.org", "comet"),
        ("tscc-login", "tscc"),
    ],
)
def test_a_host_is_known_by_its_name(site: Path, host: str, cluster: str) -> None:
    found = find_cluster(site, "", "", host)

    assert found
    assert found.name == cluster


def test_an_unknown_host_belongs_to_the_sites_own_choice_or_is_told_so(site: Path) -> None:
    with pytest.raises(LightshipError, match="this host, laptop, is none of the hosts of comet, tscc") as refused:
        find_cluster(site, "", "", "laptop")
    assert refused.value.status is ExitStatus.SETTINGS

    found = find_cluster(site, "", "comet", "laptop")
    assert found
    assert found.name == "comet"
    assert find_cluster(site, "", "other", "laptop") is None


def test_a_host_of_two_clusters_is_a_mistake(site: Path) -> None:
    (site.parent / "clusters" / "third.ini").write_text(TSCC)

    with pytest.raises(LightshipError, match=r"both t[a-z]+ and t[a-z]+"):
        find_cluster(site, "", "", "tscc-1")


def test_a_mistake_in_one_clusters_file_stops_no_other(site: Path) -> None:
    (site.parent / "clusters" / "tscc.ini").write_text("[clutser]\n")

    found = find_cluster(site, "", "", "comet-ln2")
    assert found
    with pytest.raises(LightshipError, match=r"tscc\.ini are wrong: there is no section \[clutser\]"):
        find_cluster(site, "", "", "tscc-1")


def test_the_clusters_file_completes_the_sites(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: type("Host", (), {"nodename": "comet-ln1"}))
    read = load_site(site)

    assert (read.cluster, read.registry) == ("comet", "https://registry.example.org")
    assert read.agent_socket == Path("/run/comet.sock")
    assert read.choose({})["time"] == 5


def test_a_job_names_its_cluster_whatever_its_node_is_called(site: Path) -> None:
    assert load_site(site, cluster="comet").agent_socket == Path("/run/comet.sock")
