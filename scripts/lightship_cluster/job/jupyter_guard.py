"""Runs inside Jupyter's own server: the link decides where it listens and who may enter, whatever the settings say.

Jupyter reads settings from some twenty sources, by older names as well as newer ones, and those of a class override
those of its base class. Any setting could be overridden by another, so the server's own methods are wrapped instead.
Settings that the link decides are removed from every source; the right values are set after all sources were read; and
just before the server listens, the values in force are checked.

A user who replaces the server's own code in a settings file does so on purpose, and may: it is the user's notebook.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

MARK = "guarded"
# Settings of the server itself, by whatever name the settings call it: ServerApp, NotebookApp, LabApp.
OF_THE_SERVER = (
    # Where it listens.
    *("ip", "port", "port_retries", "sock", "sock_mode", "base_url", "certfile", "keyfile", "client_ca"),
    *("allow_remote_access", "local_hostnames", "trust_xheaders", "root_dir", "notebook_dir", "open_browser"),
    # Who enters.
    *("token", "password", "hashed_password", "password_required", "allow_password_change", "secure_cookie"),
    *("allow_unauthenticated_access", "authenticate_prometheus", "identity_provider_class", "login_handler_class"),
    *("logout_handler_class", "cookie_secret", "cookie_secret_file", "cookie_name", "cookie_options"),
    "get_secure_cookie_kwargs",
    # Which pages at other addresses may send it requests.
    *("allow_origin", "allow_origin_pat", "allow_credentials", "disable_check_xsrf"),
)
OF_KERNELS = ("transport", "ip", "root_dir")
# The keys that sign messages to kernels.
OF_SIGNATURES = ("key", "keyfile")
OF_FILES = ("files_handler_class", "files_handler_params", "root_dir")
# The same decisions as settings of Tornado.
OF_TORNADO = (
    *("allow_origin", "allow_origin_pat", "allow_credentials", "disable_check_xsrf", "xsrf_cookies", "cookie_secret"),
    *("allow_unauthenticated_access", "allow_remote_access", "local_hostnames", "authenticate_prometheus", "token"),
    *("identity_provider", "authorizer", "cookie_options", "get_secure_cookie_kwargs", "allow_password_change"),
    *("login_url", "login_handler_class", "logout_handler_class", "password", "base_url", "extra_services"),
    *("xsrf_cookie_kwargs", "xsrf_cookie_name"),
)
OF_TLS = ("certfile", "keyfile", "ca_certs", "cert_reqs")
_SECTIONS = (
    (re.compile(r".*(App|IdentityProvider)"), OF_THE_SERVER),
    (re.compile(r".*KernelManager|ConnectionFileMixin"), OF_KERNELS),
    (re.compile(r".*(FileContentsManager|LargeFileManager)|FileManagerMixin"), OF_FILES),
    (re.compile("Session"), OF_SIGNATURES),
    (re.compile(r".*"), ("transport",)),
)
_FILE_MANAGERS = {"FileManagerMixin", "FileContentsManager"}
# Each of Jupyter's own programs sets these, so they are removed without a message.
_UNSAID = ("open_browser",)


def decided(section: str) -> list[str]:
    """The names that a section of settings may not set."""
    return [name for pattern, names in _SECTIONS if pattern.fullmatch(section) for name in names]


class Guard:
    """Enforces the link's values in one server.

    Args:
        server: the settings of the server, and their values.
        token_file: the file with the link's token.
        transport: how kernels are connected.
    """

    def __init__(self, server: dict[str, Any], token_file: str, transport: str, say: Callable[[str], None]) -> None:
        self._server = server
        self._token_file = token_file
        self._transport = transport
        self._say = say
        self._said: set[str] = set()
        self._secret = os.urandom(32)

    def install(self, app: type[Any]) -> None:
        """Wrap the methods of this class of servers."""
        update_config, init_configurables, init_httpserver = (
            app.update_config,
            app.init_configurables,
            app.init_httpserver,
        )

        def stripped(this: Any, config: Any) -> None:  # noqa: ANN401 - Jupyter's
            self.strip(config)
            update_config(this, config)

        def imposed(this: Any) -> None:  # noqa: ANN401 - Jupyter's
            self.impose(this)
            init_configurables(this)

        def checked(this: Any) -> None:  # noqa: ANN401 - Jupyter's
            self.require(this)
            init_httpserver(this)

        app.update_config, app.init_configurables, app.init_httpserver = stripped, imposed, checked

    def strip(self, config: Any) -> None:  # noqa: ANN401 - Jupyter's
        """Remove the settings that the link decides."""
        for section in list(config):
            self._take_out(config, section, decided(section))
            if isinstance(config[section], dict) and self._is_elsewhere(config[section].get("preferred_dir")):
                self._take_out(config, section, ("preferred_dir",))

    def impose(self, app: Any) -> None:  # noqa: ANN401 - Jupyter's
        """Set the link's values after all settings were read, and before any is used."""
        self.strip(app.config)
        self._strip_files(app)
        # Python in a settings file can set variables too.
        os.environ.pop("JUPYTER_TOKEN", None)
        os.environ["JUPYTER_TOKEN_FILE"] = self._token_file
        app.config.KernelManager.transport = self._transport
        if self._transport == "ipc":
            app.log.addFilter(self._explain)
        # About extensions that rely on the server to authenticate: it does.
        warnings.filterwarnings("ignore", ".*endpoints without @allow_unauthenticated")
        if self._is_elsewhere(app.preferred_dir):
            app.preferred_dir = ""
        app.ssl_options = self._without("ServerApp.ssl_options", app.ssl_options, OF_TLS)
        app.tornado_settings = self._without("ServerApp.tornado_settings", app.tornado_settings, OF_TORNADO)
        headers = app.tornado_settings.get("headers")
        if isinstance(headers, dict):
            # Headers that allow pages at other addresses.
            foreign = [name for name in headers if str(name).lower().startswith("access-control-")]
            app.tornado_settings["headers"] = self._without("ServerApp.tornado_settings['headers']", headers, foreign)
        for name, value in {**self._server, **self._entry(app)}.items():
            if app.has_trait(name):
                setattr(app, name, value)

    def require(self, app: Any) -> None:  # noqa: ANN401 - Jupyter's
        """Just before the server listens: refuse to start if anything but the link decides who may enter."""
        settings = app.web_app.settings
        settings["allow_password_change"] = False
        wrong = [name for name, holds in self._checks(app, settings) if not holds]
        if wrong:
            sys.exit(
                f"Your Jupyter settings or an extension of your Jupyter change who may enter ({', '.join(wrong)}), so "
                "the link would not be guarded by its own token. Remove that, or switch the extension off with "
                "`jupyter server extension disable NAME`, and start again."
            )
        Path(app.runtime_dir, MARK).touch(0o600)

    def _explain(self, record: logging.LogRecord) -> bool:
        """Explain a kernel that dies at each start: Jupyter's own message does not tell why."""
        if str(record.msg).endswith("restart failed") and "kernels" not in self._said:
            self._said.add("kernels")
            self._say(
                "A kernel died again and again. If it knows only TCP, as some of xeus do, start with `start-jupyter "
                "--kernels tcp`; the guide says what that costs."
            )
        return True

    def _entry(self, app: Any) -> dict[str, Any]:  # noqa: ANN401 - Jupyter's
        """The settings that decide who may enter, for this version of the server."""
        values: dict[str, Any] = {
            "sock": "",
            "open_browser": False,
            "cookie_secret": self._secret,
            "allow_origin": "",
            "allow_origin_pat": "",
            "allow_credentials": False,
            "disable_check_xsrf": False,
            "allow_unauthenticated_access": False,
            "authenticate_prometheus": True,
        }
        if app.has_trait("identity_provider_class"):
            from jupyter_server.auth.identity import PasswordIdentityProvider
            from jupyter_server.auth.login import LoginHandler

            app.config.PasswordIdentityProvider.allow_password_change = False
            handler = {"login_handler_class": LoginHandler}
            return {**values, **handler, "identity_provider_class": PasswordIdentityProvider}
        # Before version 2 the server had no identity provider.
        from jupyter_server.auth.login import LoginHandler
        from jupyter_server.auth.logout import LogoutHandler

        return {
            **values,
            "token": self._token(),
            "password": "",
            "password_required": False,
            "allow_password_change": False,
            "cookie_options": {},
            "get_secure_cookie_kwargs": {},
            "login_handler_class": LoginHandler,
            "logout_handler_class": LogoutHandler,
        }

    def _checks(self, app: Any, settings: Any) -> Iterable[tuple[str, bool]]:  # noqa: ANN401 - Jupyter's
        yield from ((name, getattr(app, name) == value) for name, value in self._server.items() if name != "root_dir")
        yield "cookie_secret", settings["cookie_secret"] == self._secret
        yield "token", settings.get("token") == self._token()
        yield "allow_origin", not (settings.get("allow_origin") or settings.get("allow_origin_pat"))
        yield "disable_check_xsrf", not settings.get("disable_check_xsrf") and bool(settings.get("xsrf_cookies"))
        yield "allow_unauthenticated_access", not settings.get("allow_unauthenticated_access")
        options = app.ssl_options or {}
        yield "ssl_options", options.get("cert_reqs") == ssl.CERT_REQUIRED
        yield "client_ca", options.get("ca_certs") == self._server["client_ca"]
        provider = settings.get("identity_provider")
        if provider is None:
            yield "password", not app.password and not settings.get("password")
            return
        from jupyter_server.auth.identity import PasswordIdentityProvider

        known = type(provider) is PasswordIdentityProvider
        yield "identity_provider_class", known
        if known:
            yield "IdentityProvider.token", provider.token == self._token()
            yield "hashed_password", not provider.hashed_password
            yield "allow_password_change", not provider.allow_password_change

    def _strip_files(self, app: Any) -> None:  # noqa: ANN401 - Jupyter's
        """Remove settings of the contents manager: a user's own has sections by the names of all its classes."""
        names = [found.__name__ for found in app.contents_manager_class.__mro__]
        # A manager without files has another kind of root.
        ours = OF_FILES if _FILE_MANAGERS.intersection(names) else OF_FILES[:-1]
        for section in names:
            self._take_out(app.config, section, ours)

    def _is_elsewhere(self, folder: Any) -> bool:  # noqa: ANN401 - Jupyter's
        """Whether this preferred folder would keep the server from starting."""
        if not isinstance(folder, str) or not folder:
            return False
        root = Path(self._server["root_dir"]).resolve()
        whole = (root / folder).resolve()
        try:
            return not whole.is_dir() or root not in (whole, *whole.parents)
        except OSError:
            return True

    def _take_out(self, config: Any, section: str, names: Iterable[str]) -> None:  # noqa: ANN401 - Jupyter's
        if section not in config or not isinstance(config[section], dict):
            return
        for name in names:
            if name in config[section]:
                del config[section][name]
                self._tell(f"{section}.{name}")

    def _without(self, whole: str, given: Any, names: Iterable[str]) -> dict[str, Any]:  # noqa: ANN401 - Jupyter's
        for name in names:
            if name in (given or {}):
                self._tell(f"{whole}[{name!r}]")
        return {name: value for name, value in (given or {}).items() if name not in names}

    def _tell(self, name: str) -> None:
        if name in self._said or name.rpartition(".")[2] in _UNSAID:
            return
        self._said.add(name)
        self._say(f"{name} of your Jupyter settings or command line is not used: it is the link's to decide.")

    def _token(self) -> str:
        return Path(self._token_file).read_text("ascii")


def install(app: type[Any], metadata: dict[str, Any]) -> None:
    """Guard servers of this class with the metadata of `register-jupyter`."""
    guard = Guard(metadata["server"], metadata["token_file"], metadata["transport"], _say)
    guard.install(app)
    if app.initialized():
        # The command line was read before this.
        guard.strip(app.instance().config)
        guard.strip(app.instance().cli_config)


def _say(sentence: str) -> None:
    with suppress(OSError):
        print(f"Lightship: {sentence}", file=sys.stderr, flush=True)
