from __future__ import annotations

from pathlib import Path

import pytest

from lightship_cluster.config import settings
from lightship_cluster.config.options import BUILT_IN
from lightship_cluster.core.errors import ExitStatus, LightshipError
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG
from unit.lightship_cluster.fake_registry import self_signed

SITE = "[lightship]\nregistry = https://registry.example.org:8443\ncluster = demo\n"
AGENT = "[agent]\nregistry = https://registry.example.org\ncluster = demo\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "etc" / "settings.ini"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_two_lines_are_enough(tmp_path: Path) -> None:
    found = settings.load_site(written(tmp_path, SITE))

    assert found.registry == "https://registry.example.org:8443"
    assert found.prefix == tmp_path
    assert found.ca_file is None
    assert found.agent_socket == Path(settings.DEFAULT_SOCKET)
    assert found.choose({}) == BUILT_IN
    assert (BUILT_IN["time"], BUILT_IN["interface"], BUILT_IN["folder"]) == (30, "notebook", "~")


def test_everything_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    self_signed(tmp_path, "ca")[0].rename(tmp_path / "etc" / "ca.pem")
    text = (
        SITE + "ca_file = ca.pem ; beside\nagent_socket = /run/a.sock\n[defaults]\npartition = p # why\naccount = a\n"
    )
    found = settings.load_site(
        written(tmp_path, text + "time = 2:00:00\nbatch = slurm/jupyterlab.sh\nfolder = /scratch\n")
    )

    assert found.ca_file == tmp_path / "etc" / "ca.pem"
    assert found.agent_socket == Path("/run/a.sock")
    said = {"partition": "p", "account": "a", "time": 120, "scheduler": "slurm", "interface": "jupyterlab"}
    assert found.choose({}) == {**BUILT_IN, **said, "folder": "/scratch"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "registry"),
        (SITE.replace("https", "http"), "registry"),
        (SITE.replace(":8443", ":8443/path"), "registry"),
        (SITE.replace("registry.e", "registry..e"), "registry must be like"),
        (SITE.replace("registry.e", "registry-.e"), "registry must be like"),
        (SITE.replace("registry.e", f"{'r' * 64}.e"), "registry must be like"),
        (SITE.replace("8443", "99999"), "the port of registry must be from 1 to 65535, not 99999."),
        (SITE.replace("8443", "0"), "the port of registry must be from 1 to 65535, not 0."),
        (SITE + "ca_file = settings.ini\n", "settings.ini, which has no certificate in PEM form."),
        (SITE + f"ca_file = {NAME_TOO_LONG}\n", "which is not there."),
        (SITE.replace("demo", "De mo"), "cluster"),
        (SITE + "ca_file = absent.pem\n", "absent.pem"),
        (SITE + "regsitry = x\n", "in [lightship], 'regsitry' is not a setting. Did you mean 'registry'?"),
        (SITE + "x = y\n", "There can be: registry, cluster, ca_file, agent_socket, notebook_networks, centre_name,"),
        (SITE + "[default]\n", "there is no section [default]. Did you mean '[defaults]'?"),
        (SITE + "[preset]\n", "there is no section [preset]. Did you mean '[preset NAME]'?"),
        (SITE + "[DEFAULT]\ntime = 5\n", "there is no section [DEFAULT]"),
        (SITE + "[defaults]\ntime = later\n", "in [defaults], time: 'later' is not a time."),
        (SITE + "[defaults]\npartiton = x\n", "in [defaults], 'partiton' is not a setting. Did you mean 'partition'?"),
        (SITE + "[preset gpu]\ngpus = all\n", "in [preset gpu], gpus: 'all' is not a number of GPUs."),
        (SITE + "[defaults]\ntime = 1\ntime = 2\n", "time"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(LightshipError) as refused:
        settings.load_site(path)

    assert refused.value.status is ExitStatus.SETTINGS
    assert named in refused.value.sentence
    assert str(path) in refused.value.sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"absent\.ini.*No such file"):
        settings.load_site(tmp_path / "absent.ini")


def test_the_agent_takes_its_key_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/agent")
    found = settings.load_agent(written(tmp_path, AGENT))

    assert found.key_file == Path("/run/credentials/agent/cluster.key")
    assert found.poll_seconds == 5


def test_the_agents_scheduler_is_found_unless_it_is_named(tmp_path: Path) -> None:
    assert settings.load_agent(written(tmp_path, AGENT)).scheduler == ""
    assert settings.load_agent(written(tmp_path, AGENT + "scheduler = pbs\n")).scheduler == "pbs"
    with pytest.raises(LightshipError, match="scheduler must be one of slurm, pbs, torque, none, or empty, not 'lsf'"):
        settings.load_agent(written(tmp_path, AGENT + "scheduler = lsf\n"))


@pytest.mark.parametrize("value", ["0", "often", "1e9", "nan"])
def test_the_agent_polls_neither_madly_nor_never(tmp_path: Path, value: str) -> None:
    with pytest.raises(LightshipError, match="poll_seconds"):
        settings.load_agent(written(tmp_path, f"{AGENT}poll_seconds = {value}\n"))


def test_the_prefix_is_found_through_a_symbolic_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTSHIP_CONFIG", raising=False)
    command = tmp_path / "prefix" / "bin" / "start-jupyter"
    command.parent.mkdir(parents=True)
    command.touch()
    (tmp_path / "link").symlink_to(command)

    assert settings.find_settings(str(tmp_path / "link")) == tmp_path / "prefix" / "etc" / "lightship.ini"

    monkeypatch.setenv("LIGHTSHIP_CONFIG", "/elsewhere.ini")
    assert settings.find_settings(str(tmp_path / "link")) == Path("/elsewhere.ini")
