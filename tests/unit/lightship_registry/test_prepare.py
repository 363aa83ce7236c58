from __future__ import annotations

from pathlib import Path

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.prepare import prepare
from unit.lightship_registry.testbed import Hands, Testbed, make_settings


def test_says_what_it_made_and_then_nothing(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    lines = prepare(settings, Hands())
    assert [line.rpartition("/")[2] for line in lines] == [
        "state",
        "authorities",
        "web_proxy",
        "links.crt",
        "proxy.crt",
        "links-trusted.crt",
        "client.crt",
        "registry.sqlite3",
    ]
    assert all(line.startswith("changed: ") for line in lines)
    assert prepare(settings, Hands()) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_database_elsewhere_needs_no_file(tmp_path: Path, store_url: str) -> None:
    settings = make_settings(tmp_path, store_url=store_url)
    assert prepare(settings, Hands())[-1] == "changed: made the tables in the PostgreSQL database lightship"
    assert prepare(settings, Hands()) == []
    assert not settings.store_file.exists()


def test_store_is_nobody_elses(testbed: Testbed) -> None:
    assert testbed.settings.store_file.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(RegistryError, match="state"):
        prepare(make_settings(tmp_path), Hands())
