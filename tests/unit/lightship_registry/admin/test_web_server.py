from __future__ import annotations

from pathlib import Path

import pytest

from lightship_registry.admin import service_control, web_server
from lightship_registry.admin.web_server import Deployed
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.testbed import make_settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What systemd was asked; it does everything."""
    calls: list[tuple[str, ...]] = []

    def systemctl(*arguments: str) -> str:
        calls.append(arguments)
        return ""

    monkeypatch.setattr(service_control, "_systemctl", systemctl)
    return calls


def known(*test: str) -> Deployed:
    return Deployed("nginx.service", list(test), "127.0.0.1", 443, None)


def test_it_is_reloaded_after_its_test(asked: list[tuple[str, ...]]) -> None:
    assert web_server.reload(known("true"))
    assert asked == [("try-reload-or-restart", "nginx.service")]


@pytest.mark.parametrize(
    ("test", "said"), [(("false",), "it cannot be run"), (("sh", "-c", "echo '[emerg] x'; exit 1"), r"\[emerg\] x")]
)
def test_it_is_left_alone_when_it_refuses(asked: list[tuple[str, ...]], test: tuple[str, ...], said: str) -> None:
    with pytest.raises(RegistryError, match=f"would refuse its configuration: {said}"):
        web_server.reload(known(*test))
    assert asked == []


def test_one_that_cannot_be_reloaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_control, "_systemctl", lambda *_: None)
    with pytest.raises(RegistryError, match="See: journalctl -u nginx"):
        web_server.reload(known("true"))


def test_one_that_is_not_known_is_not_reloaded(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(web_server, "DEPLOYED", tmp_path / "none")
    assert not web_server.reload(web_server.deployed(make_settings(tmp_path)))
    assert asked == []
