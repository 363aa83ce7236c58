from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightship_cluster.config import layers, settings
from lightship_cluster.config.layers import choose, read_user, user_file
from lightship_cluster.config.options import BUILT_IN
from lightship_cluster.core.errors import ExitStatus, LightshipError

SITE = """\
[lightship]
registry = https://registry.example.org
cluster = demo
[defaults]
partition = of-site
account = of-site
qos = of-site
time = 10
[preset gpu]
gpus = 1
partition = of-sites-preset
"""
CLUSTER = "[defaults]\naccount = of-cluster\nqos = of-cluster\n[preset big]\ncores = 32\nmemory = 64G\n"
USER = "[defaults]\nqos = of-user\n[preset big]\ncores = 4\nextra = --exclusive --comment 'my own'\n"


def site(folder: Path, user: str = "", cluster: str = "", text: str = SITE) -> settings.SiteSettings:
    for name, content in (("lightship.ini", text), ("clusters/demo.ini", cluster), ("user.ini", user)):
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return settings.load_site(folder / "etc" / "lightship.ini", user=folder / "etc" / "user.ini")


def test_what_is_said_nearer_to_the_user_holds(tmp_path: Path) -> None:
    chosen = site(tmp_path, USER, CLUSTER).choose({"reservation": "given"})

    assert (chosen["partition"], chosen["account"], chosen["qos"]) == ("of-site", "of-cluster", "of-user")
    assert (chosen["reservation"], chosen["time"], chosen["cores"]) == ("given", 10, 0)
    assert chosen.keys() == BUILT_IN.keys()


def test_a_preset_stands_between_the_settings_and_the_flags(tmp_path: Path) -> None:
    read = site(tmp_path, USER, CLUSTER)

    assert read.choose({}, "gpu")["partition"] == "of-sites-preset"
    assert read.choose({"partition": "given"}, "gpu")["partition"] == "given"
    assert read.choose({"partition": "given"}, "gpu")["gpus"] == "1"


def test_the_nearest_preset_of_a_name_replaces_the_others(tmp_path: Path) -> None:
    chosen = site(tmp_path, USER, CLUSTER).choose({}, "big")

    assert (chosen["cores"], chosen["memory"]) == (4, 0)
    assert chosen["extra"] == ("--exclusive", "--comment", "my own")


def test_an_unknown_preset_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(LightshipError) as refused:
        site(tmp_path, USER, CLUSTER).choose({}, "gpus")

    assert refused.value.sentence == "There is no preset 'gpus'. Did you mean 'gpu'? There is: big, gpu."
    assert refused.value.status is ExitStatus.USAGE


def test_an_empty_key_takes_back_what_was_said_farther_away(tmp_path: Path) -> None:
    chosen = site(tmp_path, "[defaults]\npartition =\ntime =\n").choose({})

    assert (chosen["partition"], chosen["time"]) == ("", 30)


@pytest.mark.parametrize(
    ("far", "near", "expected"),
    [
        ({"batch": "slurm/notebook.sh"}, {"interface": "jupyterlab"}, ("", "slurm", "jupyterlab")),
        ({"batch": "slurm/jupyterlab.sh"}, {"scheduler": "none"}, ("", "none", "jupyterlab")),
        ({"batch": "slurm/jupyterlab.sh"}, {"batch": "torque/notebook.sh"}, ("", "torque", "notebook")),
        ({"batch": "/my/own.sh"}, {"interface": "jupyterlab"}, ("", "", "jupyterlab")),
        ({"batch": "/my/own.sh"}, {"scheduler": "pbs"}, ("/my/own.sh", "pbs", "notebook")),
        ({"interface": "jupyterlab"}, {"batch": "/my/own.sh"}, ("/my/own.sh", "", "jupyterlab")),
        ({"interface": "jupyterlab"}, {"batch": "slurm/site.sh"}, ("slurm/site.sh", "slurm", "jupyterlab")),
        ({"batch": "slurm/site.sh"}, {"scheduler": "none"}, ("", "none", "notebook")),
        ({"batch": "slurm/site.sh"}, {"scheduler": "slurm"}, ("slurm/site.sh", "slurm", "notebook")),
        ({"scheduler": "slurm"}, {"batch": "torque/site.sh"}, ("torque/site.sh", "torque", "notebook")),
        ({"interface": "jupyterlab"}, {"batch": "./slurm/notebook.sh"}, ("./slurm/notebook.sh", "", "jupyterlab")),
    ],
)
def test_scheduler_interface_and_script_can_each_be_said_anew(
    far: dict[str, Any], near: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    chosen = choose([layers.Layer(Path("far"), layers.split_batch(far), {})], near)

    assert (chosen["batch"], chosen["scheduler"], chosen["interface"]) == expected


@pytest.mark.parametrize(
    ("far", "near", "expected"),
    [
        ({"app": ("x", "{port}")}, {"interface": "jupyterlab"}, ((), "")),
        ({"batch": "/my/own.sh"}, {"app": ("x", "{port}")}, (("x", "{port}"), "")),
        ({"app": ("x", "{port}")}, {"batch": "/my/own.sh"}, (("x", "{port}"), "/my/own.sh")),
        ({"app": ("x", "{port}")}, {"batch": "slurm/notebook.sh"}, ((), "")),
    ],
)
def test_a_program_and_an_interface_take_each_other_back(
    far: dict[str, Any], near: dict[str, Any], expected: tuple[tuple[str, ...], str]
) -> None:
    chosen = choose([layers.Layer(Path("far"), layers.split_batch(far), {})], near)

    assert (chosen["app"], chosen["batch"]) == expected


@pytest.mark.parametrize("key", ["registry", "ca_file", "agent_socket", "cluster", "hosts"])
@pytest.mark.parametrize("section", ["lightship", "cluster", "defaults", "preset gpu"])
def test_a_user_cannot_move_the_site(tmp_path: Path, section: str, key: str) -> None:
    with pytest.raises(LightshipError, match="is for the site's administrators to set") as refused:
        site(tmp_path, f"[{section}]\n{key} = x\n")

    assert f"{tmp_path}/etc/user.ini" in refused.value.sentence
    assert f"[{section}], {key!r}" in refused.value.sentence
    assert refused.value.status is ExitStatus.SETTINGS


def test_a_users_mistake_says_what_to_do_and_not_to_ask_the_administrators(tmp_path: Path) -> None:
    with pytest.raises(LightshipError) as refused:
        site(tmp_path, "[defaults]\npartiton = x\n")

    assert refused.value.sentence == (
        f"The settings {tmp_path}/etc/user.ini are wrong: in [defaults], 'partiton' is not a setting. "
        "Did you mean 'partition'? Correct that line or remove it."
    )


def test_a_mistake_in_the_clusters_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match=r"clusters/demo\.ini are wrong: in \[preset x\], time: 'soon'"):
        site(tmp_path, cluster="[preset x]\ntime = soon\n")


def test_the_users_file_is_where_the_desktop_standard_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert user_file() == Path("/home/x/.config/lightship/lightship.ini")

    monkeypatch.setenv("XDG_CONFIG_HOME", "/elsewhere")
    assert user_file() == Path("/elsewhere/lightship/lightship.ini")

    monkeypatch.setenv("XDG_CONFIG_HOME", "not/absolute")
    assert user_file() == Path("/home/x/.config/lightship/lightship.ini")


def test_nobody_needs_settings_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert read_user(None) == (None, "")
    assert read_user(tmp_path / "absent") == (None, "")
    assert read_user(tmp_path / "file" / "below") == (None, "")


def test_settings_that_cannot_be_read_are_left_out_and_said(tmp_path: Path) -> None:
    # A folder in place of the file: root may read everything else.
    layer, warning = read_user(tmp_path)

    assert layer is None
    assert warning == f"Your settings {tmp_path} cannot be read (Is a directory); the site's alone are used."


CONTAINER = {"image": "lab.sif", "runtime": "podman", "binds": ("/data",), "gpu": True}


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        ({"venv": "/own"}, {"venv": "/own", "image": "", "runtime": "", "binds": (), "gpu": False}),
        ({"image": ""}, {"venv": "", "image": "", "runtime": "", "binds": (), "gpu": False}),
        ({"image": "other.sif"}, {"image": "other.sif", "runtime": "podman", "binds": ("/data",), "gpu": True}),
        ({"cores": 2}, CONTAINER),
    ],
)
def test_where_jupyter_comes_from_is_said_once(near: dict[str, Any], expected: dict[str, Any]) -> None:
    chosen = choose([layers.Layer(Path("far"), CONTAINER, {})], near)

    assert {key: chosen[key] for key in expected} == expected
