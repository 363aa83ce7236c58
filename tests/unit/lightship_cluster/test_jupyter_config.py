"""The settings file as Jupyter runs it. That it cures the fault is shown on the bed, where Python has the fault."""

from __future__ import annotations

import runpy
import ssl
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lightship_cluster import notebook

FILE = Path(notebook.__file__).with_name("jupyter_config.py")


class Stream:
    """Stands in for Tornado's TLS stream: notes what was closed."""

    closed: list[Stream] = []  # noqa: RUF012

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
