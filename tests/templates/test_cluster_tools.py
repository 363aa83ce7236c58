"""The settings of the commands and of the agent, read by their own readers, and the agent's unit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from lightship_cluster.config.options import BUILT_IN
from lightship_cluster.config.settings import load_agent, load_site
from lightship_protocol.centre import Centre

Render = Callable[..., str]


def looked(*, pbs: bool = False, systemd: int = 257) -> dict[str, dict[str, str]]:
    """Return what look.py told of a login node."""
    return {"__cluster_tools_look": {"stdout": json.dumps({"pbs": pbs, "systemd_version": systemd})}}


SITE: dict[str, object] = {
    "role_path": "/roles/cluster_tools",
    "cluster_tools_cluster": "demo",
    "cluster_tools_registry_url": "https://registry.notebooks.example.org:8443",
    **looked(),
}
GROUP_VARS = Path(__file__).resolve().parents[2] / "ansible" / "group_vars" / "all.yml"
INPUTS = {"__cluster_tools_inputs": {"results": [{"stat": {"checksum": "0123abcd"}}]}}


def written(folder: Path, name: str, text: str) -> Path:
    """Return a file with this text where the role would put it below a prefix."""
    path = folder / "etc" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_the_commands_accept_what_the_role_writes(render: Render, tmp_path: Path) -> None:
    read = load_site(written(tmp_path, "lightship.ini", render("cluster_tools", "lightship.ini.j2", **SITE)))
    assert (read.registry, read.cluster, read.ca_file) == (SITE["cluster_tools_registry_url"], "demo", None)
    assert read.agent_socket == Path("/run/lightship-agent/agent.sock")
    assert read.choose({}) == BUILT_IN


def test_the_agent_accepts_what_the_role_writes(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/lightship-agent.service")
    read = load_agent(written(tmp_path, "agent.ini", render("cluster_tools", "agent.ini.j2", **SITE)))
    assert (read.registry, read.cluster, read.ca_file) == (SITE["cluster_tools_registry_url"], "demo", None)
    assert read.key_file == Path("/run/credentials/lightship-agent.service/cluster.key")
    assert read.poll_seconds == 5


@pytest.mark.parametrize("template", ["lightship.ini.j2", "agent.ini.j2"])
def test_both_trust_the_sites_own_authority_below_the_prefix(render: Render, template: str) -> None:
    site = {
        **SITE,
        "cluster_tools_prefix": "/shared/lightship",
        "cluster_tools_registry_ca_text": "-----BEGIN CERTIFICATE-----\n",
    }
    assert "ca_file = /shared/lightship/etc/registry-ca.pem\n" in render("cluster_tools", template, **site)


def test_what_a_site_chooses_for_users_reaches_them(render: Render, tmp_path: Path) -> None:
    choices = {"partition": "gpu", "account": "abc123", "time": "2:00:00", "batch": "slurm/jupyterlab.sh"}
    site = {**SITE, **{f"cluster_tools_default_{name}": value for name, value in choices.items()}}
    read = load_site(written(tmp_path, "lightship.ini", render("cluster_tools", "lightship.ini.j2", **site))).choose({})
    assert (read["partition"], read["account"], read["time"], read["interface"]) == ("gpu", "abc123", 120, "jupyterlab")


def test_presets_and_further_defaults_reach_users(render: Render, tmp_path: Path) -> None:
    more = {
        "cluster_tools_more_defaults": {"cores": 4, "memory": "8G"},
        "cluster_tools_presets": {"gpu": {"gpus": 1, "partition": "gpu"}, "big": {"memory": "64G"}},
    }
    read = load_site(written(tmp_path, "lightship.ini", render("cluster_tools", "lightship.ini.j2", **SITE, **more)))
    assert (read.choose({})["cores"], read.choose({})["memory"]) == (4, 8192)
    assert (read.choose({}, "gpu")["partition"], read.choose({}, "gpu")["gpus"]) == ("gpu", "1")
    assert read.choose({}, "big")["memory"] == 65536


@pytest.mark.parametrize(
    "centre",
    [
        Centre(),
        Centre("Only a name"),
        Centre('Zürich "HPC" <b> #1 ; {{ 7 }} \\u003b', "help@example.org", "https://example.org/guide?a=1;b=$x#top"),
        Centre("R&D;%(x)s", "https://example.org/help", ""),
        Centre("", "", "http://example.org/!"),
    ],
)
def test_what_pages_link_to_reaches_the_auth_proxy(render: Render, tmp_path: Path, centre: Centre) -> None:
    site = {
        **SITE,
        "cluster_tools_centre_name": centre.name,
        "cluster_tools_contact": centre.contact,
        "cluster_tools_guide_url": centre.guide_url,
    }
    read = load_site(written(tmp_path, "lightship.ini", render("cluster_tools", "lightship.ini.j2", **site)))
    assert read.centre == centre
    assert read.choose({}) == BUILT_IN


def test_clusters_that_share_a_prefix_have_a_file_each(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = set()
    for name, partition in (("comet", "compute"), ("tscc", "hotel")):
        site = {
            **SITE,
            "cluster_tools_cluster": name,
            "cluster_tools_hosts": [f"{name}-ln*", f"login.{name}.example.org"],
            "cluster_tools_default_partition": partition,
        }
        shared.add(render("cluster_tools", "lightship.ini.j2", **site))
        (tmp_path / "etc" / "clusters").mkdir(parents=True, exist_ok=True)
        written(tmp_path, f"clusters/{name}.ini", render("cluster_tools", "cluster.ini.j2", **site))
    # Whichever cluster was deployed last, the common file says the same.
    (common,) = shared
    path = written(tmp_path, "lightship.ini", common)
    monkeypatch.setattr("os.uname", lambda: type("Host", (), {"nodename": "tscc-ln1.example.org"}))
    read = load_site(path)
    assert (read.cluster, read.choose({})["partition"]) == ("tscc", "hotel")


@pytest.mark.parametrize(
    ("prefix", "protection"), [("/shared/lightship", "yes"), ("/homework/x", "yes"), ("/home/lightship", "read-only")]
)
def test_the_unit_hides_home_unless_the_program_lies_there(render: Render, prefix: str, protection: str) -> None:
    unit = render("cluster_tools", "lightship-agent.service.j2", **SITE, **INPUTS, cluster_tools_prefix=prefix)
    assert f"ProtectHome={protection}\n" in unit
    assert f"ExecStart={prefix}/bin/lightship-agent --config /etc/lightship/agent.ini\n" in unit


def test_the_unit_holds_the_fingerprints_and_no_secret(render: Render) -> None:
    unit = render("cluster_tools", "lightship-agent.service.j2", **SITE, **INPUTS)
    assert "X-Lightship-Input=0123abcd\n" in unit
    assert "LoadCredential=cluster.key:/etc/lightship/cluster.key\n" in unit


@pytest.mark.parametrize("key", ["centre_name", "contact", "guide_url"])
@pytest.mark.parametrize("value", [None, "help@example.org"])
def test_all_roles_link_to_what_the_proxys_host_says(key: str, value: str | None) -> None:
    wired = DataLoader().load_from_file(str(GROUP_VARS), trusted_as_template=True)
    proxy = {f"link_registry_{key}": value} if value else {}
    proxy[f"web_proxy_{key}"] = Templar(DataLoader(), variables=proxy).template(wired[f"web_proxy_{key}"])
    login = {"groups": {"proxy": ["p"]}, "hostvars": {"p": proxy}}
    clusters = Templar(DataLoader(), variables=login).template(wired[f"cluster_tools_{key}"])
    assert (proxy[f"web_proxy_{key}"], clusters) == (value or "", value or "")


AGENT_UNIT, QSTAT_UNIT, QSTAT_SOCKET = (
    "lightship-agent.service.j2",
    "lightship-qstat.service.j2",
    "lightship-qstat.socket.j2",
)
# What the agent may do, whatever the scheduler.
AGENT_RIGHTS = (
    "NoNewPrivileges=",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "DynamicUser=",
    "SystemCallFilter=",
)


def unit_of(text: str) -> list[str]:
    """Return the lines that systemd reads."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_on_pbs_the_agent_gets_a_group_more_and_no_other_right(render: Render) -> None:
    plain, pbs = (
        unit_of(render("cluster_tools", AGENT_UNIT, **{**SITE, **INPUTS, **looked(pbs=pbs)})) for pbs in (False, True)
    )
    more = [line for line in pbs if line not in plain]
    assert more == [
        "After=network-online.target remote-fs.target munge.service lightship-qstat.socket",
        "Wants=network-online.target lightship-qstat.socket",
        "SupplementaryGroups=lightship-qstat",
    ]
    for right in AGENT_RIGHTS:
        assert [line for line in pbs if line.startswith(right)] == [line for line in plain if line.startswith(right)]
    assert {"NoNewPrivileges=yes", "CapabilityBoundingSet=", "AmbientCapabilities="} <= set(pbs)


def test_elsewhere_nothing_of_pbs_is_named(render: Render) -> None:
    for template in (AGENT_UNIT, "agent.ini.j2"):
        assert "qstat" not in render("cluster_tools", template, **SITE, **INPUTS)


@pytest.mark.parametrize("systemd", [239, 252, 257])
def test_who_asks_pbs_holds_no_capability_and_may_run_what_proves_who_asks(render: Render, systemd: int) -> None:
    unit = unit_of(render("cluster_tools", QSTAT_UNIT, **{**SITE, **INPUTS, **looked(pbs=True, systemd=systemd)}))
    assert {
        "User=lightship-qstat",
        "NoNewPrivileges=no",
        "AmbientCapabilities=",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "ProtectSystem=strict",
    } <= set(unit)
    # Any of these takes pbs_iff's rights from it where systemd is old, this one wherever it is.
    assert ("SystemCallFilter=@system-service" in unit) is (systemd >= 257)
    assert ("RestrictSUIDSGID=yes" in unit) is (systemd >= 257)
    assert "@privileged" not in "".join(unit)


def test_only_the_agents_group_may_use_the_socket(render: Render) -> None:
    unit = unit_of(render("cluster_tools", QSTAT_SOCKET, **SITE))
    assert {"SocketUser=root", "SocketGroup=lightship-qstat", "SocketMode=0660"} <= set(unit)


def test_the_agent_finds_who_asks_pbs_for_it(render: Render, tmp_path: Path) -> None:
    site = {**SITE, **looked(pbs=True)}
    read = load_agent(written(tmp_path, "agent.ini", render("cluster_tools", "agent.ini.j2", **site)))
    assert f"ListenStream={read.qstat_socket}" in render("cluster_tools", QSTAT_SOCKET, **site)
    assert (
        load_agent(written(tmp_path, "agent.ini", render("cluster_tools", "agent.ini.j2", **SITE))).qstat_socket is None
    )


def test_another_file_of_settings_reaches_who_asks_pbs(render: Render) -> None:
    site = {**SITE, **INPUTS, **looked(pbs=True)}
    assert "PBS_CONF_FILE" not in render("cluster_tools", QSTAT_UNIT, **site)
    unit = render("cluster_tools", QSTAT_UNIT, **site, cluster_tools_pbs_conf="/opt/pbs/etc/pbs.conf")
    assert "Environment=PBS_CONF_FILE=/opt/pbs/etc/pbs.conf\n" in unit
