"""The settings file as Jupyter runs it. Tests on the bed show that it works around the fault of Python."""

from __future__ import annotations

import json
import os
import runpy
import ssl
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

from lightship_cluster.job import jupyter

decode = json.loads
FILE = Path(jupyter.__file__).with_name("jupyter_config.py")


class Stream:
    """A fake of Tornado's TLS stream that records closed descriptors."""

    closed: ClassVar[list[Stream]] = []

    def close_fd(self) -> None:
        self.closed.append(self)


def test_a_closed_stream_is_closed_still(monkeypatch: pytest.MonkeyPatch) -> None:
    iostream = ModuleType("tornado.iostream")
    iostream.SSLIOStream = type("SSLIOStream", (Stream,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tornado.iostream", iostream)
    refused: list[str] = []
    monkeypatch.setattr(ssl.SSLContext, "set_ciphers", lambda _, ciphers: refused.append(ciphers))

    runpy.run_path(str(FILE))
    stream = iostream.SSLIOStream()
    stream.close_fd()

    assert Stream.closed == [stream]
    assert refused


def test_python_refuses_the_cipher_list_that_empties_openssls_list() -> None:
    with pytest.raises(ssl.SSLError, match="No cipher"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers("none-such")


def test_a_command_without_a_server_loads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tornado.iostream", raising=False)
    runpy.run_path(str(FILE))
    assert "tornado.iostream" not in sys.modules


class Server:
    """A fake of Jupyter's server, which keeps the runtime folder after its first use."""

    def __init__(self, runtime_dir: Path) -> None:
        self.runtime_dir = str(runtime_dir)

    @staticmethod
    def initialized() -> bool:
        return True


@pytest.mark.parametrize("users", ["", "/the/users/own/runtime"])
def test_what_jupyter_starts_inherits_no_folder_of_the_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, users: str
) -> None:
    serverapp = ModuleType("jupyter_server.serverapp")
    server = Server(tmp_path / "run")
    serverapp.ServerApp = SimpleNamespace(initialized=server.initialized, instance=lambda: server)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jupyter_server.serverapp", serverapp)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", f"{tmp_path}/config:/the/users/own")
    installed: list[str] = []
    for name in ("jupyter_guard", "jupyter_listing"):
        beside = tmp_path / f"{name}.py"
        beside.write_text("def install(app, metadata):\n    metadata['installed'](__name__, app)\n")
        monkeypatch.delitem(sys.modules, f"lightship_{name}", raising=False)
    (tmp_path / FILE.name).write_bytes(FILE.read_bytes())
    (tmp_path / "lightship.json").write_text(json.dumps({"runtime": users}))
    monkeypatch.setattr(
        json, "loads", lambda text: {**decode(text), "installed": lambda name, _: installed.append(name)}
    )

    for _ in range(2):
        runpy.run_path(str(tmp_path / FILE.name))

    assert os.environ.get("JUPYTER_RUNTIME_DIR", "") == users
    assert os.environ["JUPYTER_CONFIG_PATH"] == "/the/users/own"
    assert installed == ["lightship_jupyter_guard", "lightship_jupyter_listing"], "once, however often it is read"
    for name in installed:
        monkeypatch.delitem(sys.modules, name)
