"""Where Jupyter comes from: each kind of environment to a working link, a cell run in it, nothing left afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from support import bed, cell
from support.container_images import IMAGES

# What only a container of that kind has.
INSIDE = {
    "apptainer": "os.environ['APPTAINER_CONTAINER'].endswith('notebook.sif')",
    "charliecloud": "os.path.isfile('/ch/environment')",
    "podman": "os.path.isfile('/run/.containerenv')",
}
# An environment of the user's own whose packages are those that the hosts have: nothing is fetched.
MAKE = """set -e
rm -rf ~/FOLDER
python3 -m venv --without-pip ~/FOLDER
echo /opt/jupyter/lib/python3*/site-packages > "$(echo ~/FOLDER/lib/python3*/site-packages)/host.pth"
for program in /opt/jupyter/bin/jupyter*; do
  sed "1s|.*|#!$HOME/FOLDER/bin/python3|" "$program" > ~/FOLDER/bin/"${program##*/}"
  chmod +x ~/FOLDER/bin/"${program##*/}"
done
"""
MODULE = """#%Module1.0
prepend-path PATH ~HOME/own/bin
setenv FROM_MODULE yes
"""
NOTEBOOK = json.dumps(
    {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": "one",
                "metadata": {},
                "outputs": [],
                "source": ["print('answer', 6 * 7)"],
            }
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)
PREFIX = "import sys; print(sys.prefix)"


@pytest.fixture(scope="module", autouse=True)
def homes_as_they_were() -> Iterator[None]:
    """Take away what the tests put into the users' homes."""
    yield
    for user in ("alice", "bob"):
        bed.run("login", "rm -rf own .conda .bash_profile modulefiles .apptainer", user=user)
        # Rootless Podman's store has files of numbers that are not the user's own.
        bed.run("login", f"rm -rf ~{user}/.local/share/containers")


@pytest.fixture(params=["alice", "bob"])
def user_with_modules(request: pytest.FixtureRequest) -> Iterator[str]:
    """alice has Lmod, as all have on this cluster; bob's start-up file brings the Tcl modules in its stead."""
    user = str(request.param)
    own_environment(user)
    bed.run(
        "login",
        "mkdir -p modulefiles/own && cat > modulefiles/own/1.0",
        user=user,
        text=MODULE.replace("~HOME", f"/home/{user}"),
    )
    # Lmod names a file for shells that are not login shells; with it, it would come back in them.
    start_up = "" if user == "alice" else "unset BASH_ENV\n. /usr/share/modules/init/bash\n"
    bed.run("login", "cat > .bash_profile", user=user, text=f"{start_up}module use ~/modulefiles\necho a greeting\n")
    yield user
    bed.run("login", "rm -rf .bash_profile modulefiles", user=user)


def own_environment(user: str, folder: str = "own") -> str:
    bed.run("login", MAKE.replace("FOLDER", folder), user=user)
    return f"/home/{user}/{folder}"


def private_folder(notebook: bed.Notebook, node: str) -> str:
    """The folder of a job on its node's disk: its name is in the arguments of kernels and runtimes."""
    noted = bed.run(node, f"grep -l {notebook.name} /tmp/lightship-*/config/lightship.json").stdout
    found = re.fullmatch(r"/tmp/(lightship-\d+-\w+)/config/lightship.json\n", noted)
    assert found, f"no Jupyter of {notebook.name} on {node}"
    return found[1]


def expect_nothing_running(node: str, folder: str, notebook: bed.Notebook) -> None:
    """Jupyter, which knows the file of its token, kernels, runtimes and their helpers are gone."""
    # Of each user's containers Podman keeps one process that only waits, and has the environment of the first of them.
    waits = ("podman", "catatonit -P")
    command = "tr '\\0' ' ' <${file%environ}cmdline; echo"
    theirs = f"for file in $(grep -als {notebook.name} /proc/[0-9]*/environ); do {command}; done"

    def gone() -> bool:
        running = bed.run(node, "ps -e -o args=", check=False).stdout
        told = bed.run(node, theirs, check=False).stdout.splitlines()
        return folder not in running and all(line.strip() in ("", *waits) for line in told)

    bed.eventually(gone, f"left on {node}: {folder}")


def expect_nothing_left(node: str, folder: str, notebook: bed.Notebook) -> None:
    """The folder is gone too."""
    expect_nothing_running(node, folder, notebook)
    bed.eventually(lambda: folder not in bed.run(node, "ls /tmp").stdout, f"left on {node}: {folder}")


def node_of(notebook: bed.Notebook) -> str:
    return bed.run("login", f"squeue -h -j {notebook.job} -o %N").stdout.strip()


def test_a_venv_by_its_path() -> None:
    folder = own_environment("alice")
    notebook = bed.start("alice", f"--venv {folder} -t 5")
    assert cell.run(notebook, PREFIX) == folder
    bed.stop(notebook)


def test_a_conda_environment_by_its_name() -> None:
    # Not conda itself, which the registries within reach do not have: a folder laid out as conda documents it.
    folder = own_environment("alice", ".conda/envs/analysis")
    hook = f"{folder}/etc/conda/activate.d"
    bed.run("login", f"mkdir -p {folder}/conda-meta {hook} && touch {folder}/conda-meta/history", user="alice")
    bed.run("login", f"echo 'export FROM_HOOK=$CONDA_PREFIX' > {hook}/test.sh", user="alice")
    notebook = bed.start("alice", "--conda analysis -t 5")
    code = "import os, sys; print(sys.prefix, os.environ['FROM_HOOK'], os.environ['CONDA_DEFAULT_ENV'])"
    assert cell.run(notebook, code) == f"{folder} {folder} analysis"
    bed.stop(notebook)


def test_environment_modules_as_a_login_shell_has_them(user_with_modules: str) -> None:
    user = user_with_modules
    # What only Lmod leaves when it has loaded something.
    table = user == "alice"
    notebook = bed.start(user, "--module own -t 5")
    shown = "os.environ['FROM_MODULE'], os.environ['LOADEDMODULES'], '_ModuleTable001_' in os.environ"
    code = f"import os, sys; print(sys.prefix, {shown})"
    assert cell.run(notebook, code) == f"/home/{user}/own yes own/1.0 {table}"
    bed.stop(notebook)


def test_an_unknown_module_is_refused_in_the_module_systems_own_words(user_with_modules: str) -> None:
    user = user_with_modules
    before = bed.links(user)
    done = bed.run("login", "start-jupyter --module own --module no-such-thing", user=user, check=False)
    words = "The following module(s) are unknown" if user == "alice" else "Unable to locate a modulefile"
    assert words in done.stderr
    assert "no-such-thing" in done.stderr
    assert bed.links(user) == before


@pytest.mark.parametrize(("interface", "path"), [("classic", "/tree"), ("voila", "/voila")])
def test_the_classic_notebook_and_voila_are_guarded_as_jupyterlab_is(interface: str, path: str) -> None:
    bed.run("login", "cat > answer.ipynb", user="alice", text=NOTEBOOK)
    notebook = bed.start("alice", f"-s {interface} --venv /opt/interfaces -t 5")
    page = {"/voila": "/voila/render/answer.ipynb"}.get(path, path)
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/").headers["location"].partition("?")[0].endswith(path)
        assert browser.get(page).status_code == httpx.codes.FOUND
        assert browser.get("/api/status").status_code == httpx.codes.FORBIDDEN
        shown = browser.get(page, params={"token": notebook.token})
        assert shown.status_code == httpx.codes.OK
        assert ("answer 42" in shown.text) == (interface == "voila")
    assert cell.run(notebook, PREFIX) == "/opt/interfaces"
    bed.stop(notebook)
    bed.run("login", "rm answer.ipynb", user="alice")


@pytest.mark.parametrize("runtime", IMAGES)
def test_a_container_by_each_runtime(runtime: str, images: dict[str, str]) -> None:
    notebook = bed.start(
        "bob",
        f"-s jupyterlab --runtime {runtime} --image {images[runtime]} --bind /shared/lightship/images:/mnt -t 5",
    )
    node = node_of(notebook)
    code = (
        "import getpass, os, pathlib, platform, sys\n"
        "pathlib.Path('from-the-cell').write_text('x')\n"
        "print(sys.prefix, getpass.getuser(), platform.node(), os.getcwd())\n"
        f"print(os.path.exists('/mnt/notebook.tar'), {INSIDE[runtime]})"
    )
    assert cell.run(notebook, code) == f"/opt/notebook bob {node} /home/bob\nTrue True"
    bed.run("login", "rm from-the-cell", user="bob")
    running = bed.run(node, "ps -e -o args=").stdout
    assert "jupyter" in running
    assert notebook.token not in running
    folder = private_folder(notebook, node)
    bed.stop(notebook)
    expect_nothing_left(node, folder, notebook)


@pytest.mark.parametrize("runtime", IMAGES)
def test_a_container_ends_with_the_command_that_watches_over_it(runtime: str, images: dict[str, str]) -> None:
    notebook = bed.start("bob", f"-s jupyterlab --runtime {runtime} --image {images[runtime]} -t 5")
    node = node_of(notebook)
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid > 0)"
    assert cell.run(notebook, code) == "True"
    folder = private_folder(notebook, node)
    bed.run(node, f"pkill -KILL -u bob -f bin/register-jupyter.*/{notebook.name}")
    # The folder itself is for the user's next job there to remove.
    expect_nothing_running(node, folder, notebook)
    bed.run("login", f"scancel {notebook.job}", check=False)
    bed.agent("bob", op="cancel", name=notebook.name, reason="test")


def test_an_image_that_is_not_there_or_has_no_such_interface_is_refused_at_once(images: dict[str, str]) -> None:
    absent = bed.run("login", "start-jupyter --image ./absent.sif", user="alice", check=False)
    assert "There is no image /home/alice/absent.sif" in absent.stderr
    other = bed.run("login", f"start-jupyter -s voila --image {images['apptainer']}", user="alice", check=False)
    assert "has no Voila" in other.stderr
