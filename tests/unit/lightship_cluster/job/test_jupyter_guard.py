"""The guard with fake settings and servers; tests on the bed use Jupyter itself."""

from __future__ import annotations

import copy
import json
import logging
import os
import ssl
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lightship_cluster.job import jupyter_guard
from lightship_cluster.job.jupyter_guard import MARK, decided
from unit.lightship_cluster.node import TOKEN

NOTHING: dict[str, Any] = {}


class Config(dict[str, Any]):
    """A fake of the config of traitlets: a section is created at its first use."""

    def __getattr__(self, name: str) -> Any:
        return self.setdefault(name, Config())

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class FileManagerMixin:
    """A fake of the base class of Jupyter's file managers."""


class FileContentsManager(FileManagerMixin):
    pass


class MyManager(FileContentsManager):
    pass


class MyStore:
    """A contents manager without files."""


class PasswordIdentityProvider:
    token, hashed_password, allow_password_change = TOKEN, "", False


class LoginHandler:
    pass


class Server:
    """A fake of ServerApp version 2; without `identity_provider_class`, of version 1."""

    traits: tuple[str, ...] = (
        *("ip", "port", "client_ca", "root_dir", "allow_origin", "cookie_secret", "identity_provider_class"),
        *("allow_unauthenticated_access", "login_handler_class"),
    )

    def __init__(self, runtime_dir: Path) -> None:
        self.runtime_dir = str(runtime_dir)
        self.config, self.cli_config = Config(), Config()
        self.contents_manager_class: type[Any] = FileContentsManager
        self.ssl_options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "ciphers": "own"}
        self.tornado_settings: dict[str, Any] = {
            "cookie_secret": b"own",
            "headers": {"X-Own": "1", "Access-Control-Allow-Origin": "*"},
        }
        self.preferred_dir, self.password, self.done = "", "", ""
        self.log = logging.getLogger(f"server of {runtime_dir}")

    def has_trait(self, name: str) -> bool:
        return name in self.traits

    def update_config(self, config: Config) -> None:
        for section, values in config.items():
            self.config.setdefault(section, Config()).update(values)

    def init_configurables(self) -> None:
        self.done += "configurables "

    def init_httpserver(self) -> None:
        self.done += "server"


class OldServer(Server):
    traits = (*Server.traits[:-3], "token", "password", "allow_password_change", "login_handler_class")


@pytest.fixture
def metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "token").write_text(TOKEN)
    for name, members in (
        ("jupyter_server.auth.identity", {"PasswordIdentityProvider": PasswordIdentityProvider}),
        ("jupyter_server.auth.login", {"LoginHandler": LoginHandler}),
        ("jupyter_server.auth.logout", {"LogoutHandler": LoginHandler}),
    ):
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("JUPYTER_TOKEN", "own")
    monkeypatch.setenv("JUPYTER_TOKEN_FILE", "/own")
    server = {"ip": "10.1.2.3", "port": 4567, "client_ca": "/private/proxy_ca.pem", "root_dir": str(tmp_path)}
    return {"server": server, "token_file": str(tmp_path / "token"), "transport": "ipc"}


def guarded(
    metadata: dict[str, Any], tmp_path: Path, config: dict[str, Any] = NOTHING, kind: type[Server] = Server
) -> Any:
    """A server whose settings were all read."""
    own = type(kind.__name__, (kind,), {})
    made = own(tmp_path)
    # What the command line said was read before the guard is there.
    made.config, made.cli_config = Config(copy.deepcopy(config)), Config(copy.deepcopy(config))
    own.initialized, own.instance = lambda: True, lambda: made  # type: ignore[attr-defined]
    jupyter_guard.install(own, metadata)
    return made


def served(server: Any, **settings: Any) -> Any:
    """The same server after its settings were applied."""
    server.init_configurables()
    made = {"xsrf_cookies": True, "token": TOKEN, "cookie_secret": server.cookie_secret, **server.tornado_settings}
    provider = {"identity_provider": PasswordIdentityProvider()} if server.has_trait("identity_provider_class") else {}
    server.web_app = SimpleNamespace(settings={**made, **provider, **settings})
    server.ssl_options = {"ca_certs": server.client_ca, "cert_reqs": ssl.CERT_REQUIRED, **server.ssl_options}
    return server


OWN = {
    "ServerApp": {"token": "", "port": 1, "allow_origin": "*", "log_level": 10},
    "NotebookApp": {"password": "own"},
    "LabApp": {"ip": "10.9.9.9", "collaborative": True},
    "PasswordIdentityProvider": {"hashed_password": "own"},
    "MyIdentityProvider": {"token": "own", "colour": "red"},
    "FileContentsManager": {"root_dir": "/etc", "delete_to_trash": False},
    "AsyncLargeFileManager": {"root_dir": "/etc", "files_handler_class": "own"},
    "AsyncKernelManager": {"transport": "tcp", "ip": "10.9.9.9", "shutdown_wait_time": 1},
    "Session": {"key": b"", "debug": True},
    "MyProxy": {"port": 1, "token": "own"},
    "small": 1,
}
KEPT = {
    "ServerApp": {"log_level": 10},
    "NotebookApp": {},
    "LabApp": {"collaborative": True},
    "PasswordIdentityProvider": {},
    "MyIdentityProvider": {"colour": "red"},
    "FileContentsManager": {"delete_to_trash": False},
    "AsyncLargeFileManager": {},
    "AsyncKernelManager": {"shutdown_wait_time": 1},
    "Session": {"debug": True},
    "MyProxy": {"port": 1, "token": "own"},
    "small": 1,
}


def test_what_is_not_for_settings_to_say_is_taken_out_and_named(
    metadata: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = guarded(metadata, tmp_path, OWN)
    assert server.config == server.cli_config == KEPT

    later = Config({"ServerApp": {"port_retries": 9}, "JupyterApp": {"answer_yes": True}})
    server.update_config(later)
    assert (server.config["ServerApp"], server.config["JupyterApp"]) == ({"log_level": 10}, {"answer_yes": True})
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(set(said)), "each once"
    for name in ("NotebookApp.password", "MyIdentityProvider.token", "FileContentsManager.root_dir"):
        assert f"Lightship: {name} of your Jupyter settings or command line is not used: it is the link's" in str(said)
    assert "own" not in str(said)


def test_a_starting_folder_counts_within_the_links(metadata: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "within").mkdir()
    for folder, holds in (("within", True), (str(tmp_path / "within"), True), ("/etc", False), ("gone", False)):
        server = guarded(metadata, tmp_path, {"ServerApp": {"preferred_dir": folder}})
        assert ("preferred_dir" in server.config["ServerApp"]) == holds
    # Said on the command line, it has been taken over before the guard was there.
    server.preferred_dir = "/etc"
    server.init_configurables()
    assert server.preferred_dir == ""


def test_a_manager_of_files_of_the_users_own_has_the_links_folder(metadata: dict[str, Any], tmp_path: Path) -> None:
    for manager, kept in ((MyManager, {}), (MyStore, {"root_dir": "bucket"})):
        server = guarded(metadata, tmp_path, {manager.__name__: {"root_dir": "bucket", "files_handler_class": "own"}})
        server.contents_manager_class = manager
        server.init_configurables()
        assert server.config[manager.__name__] == kept


def test_what_must_hold_is_set_when_all_is_read(metadata: dict[str, Any], tmp_path: Path) -> None:
    server = guarded(metadata, tmp_path)
    server.port, server.allow_origin = 1, "*"
    server.init_configurables()

    assert (server.ip, server.port, server.allow_origin) == ("10.1.2.3", 4567, "")
    assert (server.identity_provider_class, server.login_handler_class) == (PasswordIdentityProvider, LoginHandler)
    assert server.allow_unauthenticated_access is False
    assert server.config["PasswordIdentityProvider"] == {"allow_password_change": False}
    assert server.config["KernelManager"] == {"transport": "ipc"}
    assert (server.ssl_options, server.tornado_settings) == ({"ciphers": "own"}, {"headers": {"X-Own": "1"}})
    assert os.environ["JUPYTER_TOKEN_FILE"] == metadata["token_file"]
    assert "JUPYTER_TOKEN" not in os.environ
    assert server.done == "configurables "


def test_before_version_2_the_server_itself_has_the_token(metadata: dict[str, Any], tmp_path: Path) -> None:
    server = served(guarded(metadata, tmp_path, kind=OldServer))
    assert (server.token, server.password, server.allow_password_change) == (TOKEN, "", False)
    server.init_httpserver()
    server.password = "own"
    with pytest.raises(SystemExit, match=r"change who may enter \(password\)"):
        server.init_httpserver()


def test_a_server_that_the_link_guards_may_listen(metadata: dict[str, Any], tmp_path: Path) -> None:
    server = served(guarded(metadata, tmp_path))
    server.init_httpserver()

    assert server.done == "configurables server"
    assert (tmp_path / MARK).exists()
    assert server.web_app.settings["allow_password_change"] is False


class Everybody:
    """An identity provider of an extension."""


CHANGES: dict[str, dict[str, Any]] = {
    "identity_provider_class": {"identity_provider": Everybody()},
    "token": {"token": "own"},
    "cookie_secret": {"cookie_secret": b"own"},
    "allow_origin": {"allow_origin_pat": ".*"},
    "disable_check_xsrf": {"xsrf_cookies": False},
    "allow_unauthenticated_access": {"allow_unauthenticated_access": True},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_who_enters_keeps_the_server_from_listening(
    metadata: dict[str, Any], tmp_path: Path, name: str
) -> None:
    server = served(guarded(metadata, tmp_path), **CHANGES[name])
    with pytest.raises(SystemExit, match=rf"change who may enter \({name}\).*start again"):
        server.init_httpserver()
    assert not (tmp_path / MARK).exists()
    assert server.done == "configurables "


@pytest.mark.parametrize(
    ("name", "value"), [("port", 1), ("ssl_options", {"ca_certs": "/private/proxy_ca.pem"}), ("client_ca", "/own")]
)
def test_where_it_listens_is_looked_at_too(metadata: dict[str, Any], tmp_path: Path, name: str, value: Any) -> None:
    server = served(guarded(metadata, tmp_path))
    setattr(server, name, value)
    with pytest.raises(SystemExit, match=name):
        server.init_httpserver()


@pytest.mark.parametrize(("transport", "times"), [("ipc", 1), ("tcp", 0)])
def test_a_kernel_that_dies_at_each_start_is_explained_once(
    metadata: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str, times: int
) -> None:
    server = guarded({**metadata, "transport": transport}, tmp_path)
    server.init_configurables()
    for _ in range(2):
        server.log.warning("AsyncIOLoopKernelRestarter: restart failed")
    assert capsys.readouterr().err.count("start-jupyter --kernels tcp") == times


def test_only_jupyters_own_sections_are_looked_into() -> None:
    assert "port" in decided("ServerApp")
    assert "port" in decided("NotebookApp")
    assert decided("MyProxy") == ["transport"]
    assert "root_dir" not in decided("S3ContentsManager")


def test_what_register_jupyter_notes_is_json(metadata: dict[str, Any]) -> None:
    assert json.loads(json.dumps(metadata)) == metadata
