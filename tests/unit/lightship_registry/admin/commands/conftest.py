from __future__ import annotations

from pathlib import Path

import pytest

from lightship_registry.admin import service_control, web_server
from unit.lightship_registry.admin.conftest import Desk
from unit.lightship_registry.admin.rolling import Proxy


@pytest.fixture
def proxy(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Proxy:
    deployed = tmp_path / "deployed.ini"
    deployed.write_text(f"[deployed]\nlineage = {tmp_path}\nservice = nginx\ntest = true\naddress = ::1\nport = 443\n")
    monkeypatch.setattr(web_server, "DEPLOYED", deployed)
    proxy = Proxy(desk, tmp_path)
    monkeypatch.setattr(service_control, "_systemctl", proxy.systemctl)
    return proxy
