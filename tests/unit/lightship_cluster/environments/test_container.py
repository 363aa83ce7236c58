"""The choice of a runtime, its command line, and what is found in an image; the test bed has the real runtimes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.environments import runtime
from lightship_cluster.environments.base import Start
from lightship_cluster.environments.binds import Bind
from lightship_cluster.environments.container import SAY_BEGUN, Container, whole_name
from lightship_cluster.environments.interfaces import LAB, VOILA
from unit.lightship_cluster.fake_programs import NAME_TOO_LONG, program

COMMAND = ("jupyter", "lab", "--ServerApp.port=1")
# As it is started inside, when the image is there.
INSIDE = ("/bin/sh", "-c", SAY_BEGUN, "/tmp/p/begun", *COMMAND)
OURS = {
    "JUPYTER_TOKEN_FILE": "/h/links/x/token",
    "JUPYTER_RUNTIME_DIR": "/tmp/p/run",
    "JUPYTER_CONFIG_PATH": "/tmp/p/config:/h",
}
JOB = {
    "SLURM_JOB_ID": "7",
    "PYTHONPATH": "/host",
    "LD_LIBRARY_PATH": "/host",
    "SECRET": "x",
    "HOME": "/h",
    "TMPDIR": "/scratch",
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("apptainer", "podman", "ch-run"):
        program(tmp_path / "bin" / name, "#!/bin/sh\nexit 1\n")
    program(tmp_path / "image.sif", "")
    (tmp_path / "folder" / "ch").mkdir(parents=True)
    (tmp_path / "folder" / "ch" / "environment").touch()
    (tmp_path / "sandbox" / ".singularity.d").mkdir(parents=True)
    return tmp_path


def wrapped(node: Path, container: Container) -> Start:
    listen = ListenAddress(Path("/tmp/p"), "host", "10.0.0.1", 1, "", "", Path("/h/links/x/token"))
    return container.wrap(Start(COMMAND, {**JOB, **OURS, "PATH": f"{node}/bin"}), listen)


@pytest.mark.parametrize(
    ("image", "program_name"),
    [
        ("./image.sif", "apptainer"),
        ("./sandbox", "apptainer"),
        ("docker://registry.example.org/lab:1", "apptainer"),
        ("docker-archive:/lab.tar", "apptainer"),
        ("dir:/lab", "podman"),
        ("./folder", "ch-run"),
        ("localhost/notebook:1", "podman"),
        ("notebook", "podman"),
        ("notebook:1", "podman"),
        ("registry:5000/notebook:1", "podman"),
    ],
)
def test_the_runtime_is_the_one_that_is_there_and_fits(node: Path, image: str, program_name: str) -> None:
    assert Path(wrapped(node, Container(whole_name(image))).command[0]).name == program_name


def test_a_bare_name_is_no_folder_that_happens_to_lie_where_the_job_runs(node: Path) -> None:
    (node / "notebook").mkdir()

    assert wrapped(node, Container("notebook")).command[-8:] == ("notebook", *INSIDE)


def test_a_tagged_name_is_looked_into_as_every_name_is(node: Path) -> None:
    program(node / "bin" / "podman", "#!/bin/sh\necho nothing of Jupyter\n")
    with pytest.raises(LightshipError, match="The image notebook:1 has no 'jupyter'"):
        Container("notebook:1").check(LAB, {"PATH": f"{node}/bin:/usr/bin:/bin"})


def test_singularity_takes_apptainers_place(node: Path) -> None:
    (node / "bin" / "apptainer").rename(node / "bin" / "singularity")
    start = wrapped(node, Container(str(node / "image.sif")))

    assert start.command[0] == "singularity"
    assert start.variables["SINGULARITYENV_JUPYTER_TOKEN_FILE"] == "/h/links/x/token"


def test_without_a_runtime_it_is_said_which_would_do(node: Path) -> None:
    with pytest.raises(LightshipError, match="This host has no podman to run image"):
        Container("image", "podman").wrap(
            Start(COMMAND, {"PATH": str(node)}), ListenAddress(node, "", "", 1, "", "", node / "t")
        )


def test_apptainer_gets_places_and_chosen_variables_only(node: Path) -> None:
    start = wrapped(node, Container(str(node / "image.sif"), binds=(Bind("/data", "/mnt", read_only=True),)))
    inside = {
        name[len("APPTAINERENV_") :]: value
        for name, value in start.variables.items()
        if name.startswith("APPTAINERENV_")
    }

    assert start.command[:3] == ("apptainer", "exec", "--cleanenv")
    assert {"--bind=/tmp/p:/tmp/p", "--bind=/h:/h", f"--bind={node}:{node}", "--bind=/data:/mnt:ro"} <= set(
        start.command
    )
    assert start.command[-9:] == (f"--pwd={node}", str(node / "image.sif"), *INSIDE)
    assert inside == {
        **OURS,
        "JUPYTER_CONFIG_PATH": "/tmp/p/config",
        "SLURM_JOB_ID": "7",
        "PYTHONNOUSERSITE": "1",
    }


def test_podman_is_told_names_and_not_values_and_can_be_ended_by_name(node: Path) -> None:
    start = wrapped(node, Container("notebook"))

    assert {"--network=host", "--cgroups=disabled", "--userns=keep-id", "--rm", "--name=p"} <= set(start.command)
    assert f"--user={os.getuid()}:{os.getgid()}" in start.command
    assert "--env=JUPYTER_TOKEN_FILE" in start.command
    assert not any("PYTHONPATH" in word or "SECRET" in word or "/links/x/token" in word for word in start.command)
    assert start.command[-8:] == ("notebook", *INSIDE)
    assert start.cleanup == ("podman", "rm", "--force", "--ignore", "--time=0", "p")
    assert "--privileged" not in start.command


def test_podman_runs_an_unpacked_folder_without_writing_to_it(node: Path) -> None:
    assert f"{node}/folder:O" in wrapped(node, Container(str(node / "folder"), "podman")).command


def test_charliecloud_gets_no_variable_but_the_chosen_ones(node: Path) -> None:
    start = wrapped(node, Container(str(node / "folder"), binds=(Bind("/data", "/mnt"),)))

    assert start.command[0] == str(node / "bin" / "ch-run")
    assert {"--write-fake", "--set-env", "--bind=/data:/mnt", "--bind=/tmp/p:/tmp/p", f"--cd={node}"} <= set(
        start.command
    )
    assert start.command[-9:] == (str(node / "folder"), "--", *INSIDE)
    assert set(start.variables) == {"PATH", "HOME", "SLURM_JOB_ID", "PYTHONNOUSERSITE", *OURS}


def test_charliecloud_cannot_bind_read_only_and_says_so(node: Path) -> None:
    with pytest.raises(LightshipError, match="Charliecloud cannot bind read-only"):
        wrapped(node, Container(str(node / "folder"), binds=(Bind("/data", "/mnt", read_only=True),)))


@pytest.mark.parametrize(
    ("device", "name", "flag"),
    [
        ("NVIDIA", "apptainer", "--nv"),
        ("AMD", "apptainer", "--rocm"),
        ("NVIDIA", "podman", "--device=nvidia.com/gpu=all"),
        ("AMD", "podman", "--device=/dev/kfd"),
    ],
)
def test_the_nodes_gpus_are_lent(
    node: Path, device: str, name: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("NVIDIA", "AMD"):
        monkeypatch.setattr(runtime, known, node if known == device else node / "absent")

    assert flag in wrapped(node, Container("image.sif", name, gpu=True)).command


def test_a_node_without_gpu_says_so(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("NVIDIA", "AMD"):
        monkeypatch.setattr(runtime, known, node / "absent")
    for name in ("apptainer", "podman", "charliecloud"):
        with pytest.raises(LightshipError, match="this node has no GPU"):
            wrapped(node, Container("image.sif", name, gpu=True))


def inspected(node: Path, found: str) -> dict[str, str]:
    """A login node whose Apptainer finds this in an image."""
    program(node / "bin" / "apptainer", f"#!/bin/sh\nprintf '%s\\n' {found}\n")
    return {"PATH": f"{node}/bin:/usr/bin:/bin"}


def test_what_is_in_the_image_is_checked_where_the_login_node_can(node: Path) -> None:
    image = Container(str(node / "image.sif"))
    good = inspected(node, "jupyter jupyter-lab jupyter_server-2.21.1.dist-info")
    assert image.check(LAB, good) == ""
    with pytest.raises(LightshipError, match="has no Voila"):
        image.check(VOILA, good)
    assert "jupyter_server 2.1.0 has known" in image.check(
        LAB, inspected(node, "jupyter jupyter-lab jupyter_server-2.1.0.dist-info")
    )
    with pytest.raises(LightshipError, match=r"jupyterlab 2\.3\.2 is too old .*in the image"):
        image.check(LAB, inspected(node, "jupyter jupyter-lab jupyterlab-2.3.2.dist-info"))
    with pytest.raises(LightshipError, match="has no 'jupyter' on its PATH"):
        image.check(LAB, inspected(node, ""))


def test_where_it_cannot_the_node_will_tell(node: Path) -> None:
    assert Container(str(node / "image.sif")).check(LAB, {"PATH": f"{node}/bin:/bin"}) == ""
    assert Container(str(node / "image.sif")).check(LAB, {"PATH": ""}) == ""
    assert Container("docker://x/y").check(LAB, {"PATH": f"{node}/bin"}) == ""


def test_an_image_that_is_not_there_is_refused(node: Path) -> None:
    with pytest.raises(LightshipError, match="There is no image"):
        Container(str(node / "absent.sif")).check(LAB, {})
    with pytest.raises(LightshipError, match="There is no image"):
        Container(str(node / NAME_TOO_LONG)).check(LAB, {})


def test_an_image_is_named_as_every_folder_names_it(node: Path) -> None:
    assert whole_name("image.sif") == str(node / "image.sif")
    assert whole_name("./absent") == str(node / "absent")
    assert whole_name("./folder") == str(node / "folder")
    # Somebody else may have put it there: a bare name is one of the user's own store.
    assert whole_name("folder") == "folder"
    assert whole_name("~nobody-of-this-name/x.sif") == str(node / "~nobody-of-this-name" / "x.sif")
    for name in (
        "docker://x/y.sif",
        "lab:1",
        "registry:5000/lab",
        "docker-archive:/x.tar",
        "localhost/notebook:1",
        "notebook",
    ):
        assert whole_name(name) == name
