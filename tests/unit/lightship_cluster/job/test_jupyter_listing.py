"""The info file by which Jupyter's tools find a server. Tests on the bed show that they do."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from lightship_cluster.job import jupyter_listing

URL = "https://one-two-three.notebooks.test/"


class Server:
    """A fake of ServerApp."""

    log = logging.getLogger("server")

    def __init__(self, private: Path) -> None:
        self.info_file = str(private / "jpserver-17.json")

    def server_info(self) -> dict[str, Any]:
        return {"url": "https://10.1.2.3:4567/", "hostname": "10.1.2.3", "pid": 17, "token": "t", "port": 4567}

    def write_server_info_file(self) -> None:
        Path(self.info_file).write_text(json.dumps(self.server_info()))

    def remove_server_info_file(self) -> None:
        Path(self.info_file).unlink()


class Periodic:
    """A fake of Tornado's PeriodicCallback."""

    started: ClassVar[list[Callable[[], None]]] = []

    def __init__(self, call: Callable[[], None], _: float) -> None:
        self._call = call

    def start(self) -> None:
        self.started.append(self._call)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "runtime"
    paths, ioloop = ModuleType("jupyter_core.paths"), ModuleType("tornado.ioloop")
    paths.jupyter_runtime_dir = lambda: str(folder)  # type: ignore[attr-defined]
    ioloop.PeriodicCallback = Periodic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jupyter_core.paths", paths)
    monkeypatch.setitem(sys.modules, "tornado.ioloop", ioloop)
    monkeypatch.setattr(Periodic, "started", [])
    return folder


def listed(tmp_path: Path) -> Any:
    kind = type("Server", (Server,), {})
    jupyter_listing.install(kind, {"url": URL})
    return kind(tmp_path)


def test_a_server_is_listed_by_its_link_for_its_owner_alone(tmp_path: Path, runtime: Path) -> None:
    server = listed(tmp_path)
    server.write_server_info_file()

    note = runtime / "jpserver-17.json"
    told = json.loads(note.read_text())
    assert (told["url"], told["hostname"], told["token"]) == (URL, "one-two-three.notebooks.test", "t")
    assert (told["pid"], told["port"]) == (17, 4567)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert json.loads(Path(server.info_file).read_text())["url"] != URL, "the server's own stays as it is"

    server.remove_server_info_file()
    assert list(runtime.iterdir()) == []


def test_what_a_list_on_another_node_removed_comes_back(tmp_path: Path, runtime: Path) -> None:
    listed(tmp_path).write_server_info_file()
    note = runtime / "jpserver-17.json"
    text = note.read_text()
    note.unlink()
    (again,) = Periodic.started
    again()
    assert note.read_text() == text


def test_nothing_is_written_where_others_may_write(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir(parents=True)
    runtime.chmod(0o777)
    listed(tmp_path).write_server_info_file()
    assert list(runtime.iterdir()) == []


def test_a_link_that_somebody_left_there_is_not_followed(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir(parents=True, mode=0o700)
    (runtime / "jpserver-17.json").symlink_to(tmp_path / "elsewhere")
    (runtime / "jpserver-17.fresh").symlink_to(tmp_path / "elsewhere")
    listed(tmp_path).write_server_info_file()
    assert not (tmp_path / "elsewhere").exists()
    assert json.loads((runtime / "jpserver-17.json").read_text())["url"] == URL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_nothing_is_written_into_anothers_folder(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir(parents=True, mode=0o700)
    os.chown(runtime, 12345, 12345)
    listed(tmp_path).write_server_info_file()
    assert list(runtime.iterdir()) == []


def test_a_home_that_cannot_be_written_costs_the_list_and_not_the_notebook(tmp_path: Path, runtime: Path) -> None:
    runtime.parent.write_text("no folder")
    server = listed(tmp_path)
    server.write_server_info_file()
    server.remove_server_info_file()
    assert not Path(server.info_file).exists()
