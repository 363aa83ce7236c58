"""Variables that users and module systems set for other programs: the commands run all the same, and pass them on.

The tests start the real zipapps, each once for every variable.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import build_zipapps
import pytest

from lightship_cluster import __version__
from unit.lightship_cluster.fake_login_node import LINK, Login, login_node
from unit.lightship_cluster.fake_programs import JUPYTER, program
from unit.lightship_cluster.fake_registry import fake_registry
from unit.lightship_cluster.node import LAB, Node

# FOLDER stands for one that has what belongs to other programs, or lies in wait for Python.
PYTHON = {
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONBREAKPOINT": "nowhere.nothing",
    "PYTHONCOERCECLOCALE": "warn",
    "PYTHONDEVMODE": "1",
    "PYTHONDUMPREFS": "1",
    "PYTHONEXECUTABLE": "/none/python",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONHASHSEED": "no number",
    "PYTHONHOME": "/opt/x",
    "PYTHONINSPECT": "1",
    "PYTHONINTMAXSTRDIGITS": "1",
    "PYTHONIOENCODING": "none-such",
    "PYTHONMALLOC": "none-such",
    "PYTHONNOUSERSITE": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "FOLDER/old",
    "PYTHONPATH empty entry": ":/none",
    "PYTHONPLATLIBDIR": "none",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONPYCACHEPREFIX": "/none",
    "PYTHONSAFEPATH": "1",
    "PYTHONSTARTUP": "FOLDER/old/enum.py",
    "PYTHONTRACEMALLOC": "no number",
    "PYTHONUSERBASE": "FOLDER/user",
    "PYTHONUTF8": "no number",
    "PYTHONVERBOSE": "1",
    "PYTHONWARNDEFAULTENCODING": "1",
    "PYTHONWARNINGS": "error",
}
LIBRARIES = {
    "LD_LIBRARY_PATH": "FOLDER/lib",
    "LD_PRELOAD": "FOLDER/lib/none.so",
    "OPENSSL_CONF missing": "FOLDER/missing.cnf",
    "OPENSSL_CONF null": "FOLDER/null.cnf",
    "OPENSSL_CONF protocol": "FOLDER/protocol.cnf",
    "OPENSSL_CONF_INCLUDE": "/none",
    "OPENSSL_ENGINES": "/none",
    "OPENSSL_MODULES": "/none",
    "OPENSSL_ia32cap": "0:0",
    "SSLKEYLOGFILE": "FOLDER/keys",
    "SSL_CERT_DIR": "/none",
    "SSL_CERT_FILE": "/none.pem",
}
OTHERS = {
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "BASH_ENV": "FOLDER/exit.sh",
    "BASH_FUNC_exec%%": "() { echo stolen; }",
    "CDPATH": "/:/tmp",
    "COLUMNS": "none",
    "ENV": "FOLDER/exit.sh",
    "FORCE_COLOR": "1",
    "GREP_OPTIONS": "--none-such",
    "IFS": "/e",
    "LANG": "xx_YY",
    "LANGUAGE": "xx",
    "LC_ALL": "xx",
    "LC_CTYPE": "C",
    "LC_CTYPE own": "C.UTF-8",
    "LINES": "-1",
    "LOGNAME": "somebody-else",
    "PATH relative": "PATH:bin::.",
    "POSIXLY_CORRECT": "1",
    "PS4": "$(touch FOLDER/ran)",
    "SHELL": "/none",
    "SHELLOPTS": "xtrace",
    "TERM": "none-such",
    "TMPDIR": "/none",
    "TZ": "None/Such",
    "XDG_CACHE_HOME": "relative",
    "XDG_CONFIG_HOME": "relative",
    "XDG_RUNTIME_DIR": "/none",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "*",
}
ROWS = {**PYTHON, **LIBRARIES, **OTHERS}
# What Python does before anything of ours shows with any command; the second reads settings and certificates, too.
VERSION, LIST = (
    ("--version", f"start-jupyter {__version__}\n"),
    ("list", "You have no links. start-jupyter makes one.\n"),
)


# Written by what must never be run, and by OpenSSL where it is told to write down all keys.
TRACES = ("ran", "keys")


class Hostile(Login):
    """A login node whose user has all kinds of variables; `user` has her variables without them."""

    user: Mapping[str, str]

    def folder(self) -> Path:
        return self.path / "hostile"

    def variables(self, row: str) -> dict[str, str]:
        value = ROWS[row].replace("FOLDER", str(self.folder())).replace("PATH:", self.user["PATH"] + ":")
        return {**self.user, row.partition(" ")[0]: value}

    def command(self, *words: str, environment: Mapping[str, str]) -> tuple[int, str, str]:
        done = subprocess.run(
            [self.path / "site" / "bin" / "start-jupyter", *words],
            env=environment,
            cwd=self.folder(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def traces(self) -> list[str]:
        return [name for name in TRACES if (self.folder() / name).exists()]


def in_wait(folder: Path) -> None:
    """Modules and libraries that must never run, and settings of another OpenSSL."""
    user = next(Path("/usr/lib").glob("python3.*"), Path("python3.11")).name
    for below in (".", "old", f"user/lib/{user}/site-packages"):
        for module in ("enum", "secrets", "sitecustomize", "usercustomize"):
            path = folder / below / f"{module}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"open({str(folder / 'ran')!r}, 'w').close()\nraise SystemExit('an old {module}')\n")
    (folder / "lib").mkdir()
    for library in ("libssl.so.3", "libcrypto.so.3", "libssl.so.1.1", "libcrypto.so.1.1", "libffi.so.8"):
        (folder / "lib" / library).write_text("of another program")
    (folder / "exit.sh").write_text("exit 1\n")
    section = "openssl_conf = all\n[all]\n"
    for provider in ("missing", "null"):
        (folder / f"{provider}.cnf").write_text(
            f"{section}providers = two\nconfig_diagnostics = 1\n[two]\n{provider} = its\n[its]\nactivate = 1\n"
        )
    (folder / "protocol.cnf").write_text(
        f"{section}ssl_conf = ssl\n[ssl]\nsystem_default = these\n[these]\nMaxProtocol = None\n"
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    path = tmp_path_factory.mktemp("login")
    in_wait(path / "hostile")
    with fake_registry(path) as registry, login_node(path, registry) as (made, variables):
        build_zipapps.main(["--dist", str(path / "site" / "bin"), "start-jupyter", "register-jupyter"])
        program(made.path / "bin" / "sbatch", f"#!/bin/sh\n/bin/cat /proc/$$/environ >{path}/environment\necho 17\n")
        node = Hostile(made.path, made.registry, made.server)
        node.user = {**variables, "PATH": f"{variables['PATH']}:/usr/bin:/bin"}
        yield node


def told(row: str) -> tuple[str, str]:
    return VERSION if row in PYTHON else LIST


@pytest.fixture(autouse=True)
def nothing_is_left(hostile: Hostile) -> Iterator[None]:
    """Remove the traces and links of the previous test."""
    yield
    shutil.rmtree(hostile.root, ignore_errors=True)
    for name in TRACES:
        (hostile.folder() / name).unlink(missing_ok=True)


@pytest.mark.parametrize("row", ROWS)
def test_the_command_does_not_know_the_difference(hostile: Hostile, row: str) -> None:
    word, expected = told(row)
    status, printed, complained = hostile.command(word, environment=hostile.variables(row))
    # The loader's own line for the first program of all, as for every command that this user types.
    others = [line for line in complained.splitlines() if "from LD_PRELOAD cannot be preloaded" not in line]
    assert (status, printed, others) == (0, expected, []), complained
    assert hostile.traces() == []


# The variables that the fake programs need.
NOT_TOGETHER = ("PATH", "IFS")
# What Jupyter gets besides.
OURS = ("JUPYTER_TOKEN_FILE", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_PATH")


def everything(hostile: Hostile) -> dict[str, str]:
    rows = [row for row in ROWS if row.partition(" ")[0] not in NOT_TOGETHER]
    return {name: value for row in rows for name, value in hostile.variables(row).items()}


def noted(path: Path) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in path.read_text(errors="replace").split("\0") if entry)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("locale", ["xx", "C", ""])
def test_the_job_gets_all_of_it_unchanged(hostile: Hostile, locale: str) -> None:
    given = {**everything(hostile), "LC_ALL": locale, "LC_CTYPE": "C"}
    if not locale:
        # Python itself sets one of these where there is no locale at all.
        given = {name: value for name, value in given.items() if not name.startswith(("LC_", "LANG"))}
    status, printed, complained = hostile.command("-q", environment=given)

    assert (status, printed.startswith(f"{LINK['url']}?token="), "Traceback" in complained) == (0, True, False)
    got = noted(hostile.path / "environment")
    assert {name: got.get(name) for name in given} == given
    assert set(got) == set(given)


def test_so_does_jupyter(hostile: Hostile, node: Node) -> None:
    given = everything(hostile)
    # The fake Jupyter is a program in Python, too: it notes what it was given and goes on without.
    program(node.path / "bin" / "fake", JUPYTER)
    keep = " ".join(f'{name}="${name}"' for name in ("PATH", *OURS))
    lines = f'cat /proc/$$/environ >{node.path}/environment\nexec /usr/bin/env -i {keep} {node.path}/bin/fake "$@"'
    program(node.path / "bin" / "jupyter", f"#!/bin/sh\n{lines}\n")
    environment = {**given, "PATH": f"{node.path}/bin:/usr/bin:/bin"}
    register = hostile.path / "site" / "bin" / "register-jupyter"
    with subprocess.Popen(
        [register, node.folder.path, *LAB],
        env=environment,
        cwd=hostile.folder(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            node.wait_for("target")
        finally:
            process.send_signal(signal.SIGTERM)
            printed = process.communicate(timeout=30)[0]

    got = noted(node.path / "environment")
    assert {name: got.get(name) for name in environment} == environment
    assert set(got) - set(environment) == set(OURS)
    assert "Traceback" not in printed
    assert hostile.traces() == []
