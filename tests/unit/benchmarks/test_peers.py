"""The comparison's own parts; the servers themselves run in `make bench-peers` alone."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from peers import certificates, chart, report, settings
from peers.links import IMPOSTOR, Link, some
from peers.measures import churn
from peers.servers.every import EVERY
from peers.servers.lightship_apache import LightshipApache
from peers.servers.lightship_nginx import LightshipNginx


@pytest.mark.parametrize("program", ["run.py", "report.py"])
def test_each_program_finds_its_modules_by_itself(program: str, tmp_path: Path) -> None:
    """As `make bench-peers` runs them, without the paths of the tests."""
    path = settings.BENCHMARKS / "peers" / program
    command = f"import runpy; runpy.run_path({str(path)!r}, run_name='imported')"
    subprocess.run([sys.executable, "-I", "-c", command], cwd=tmp_path, check=True, timeout=60)


def test_every_link_has_a_name_that_the_web_server_accepts_and_an_address_of_its_own() -> None:
    links = [Link(number) for number in [*range(0, 100_000, 97), IMPOSTOR.number, churn.FIRST, churn.FIRST + 50_000]]
    assert all(re.fullmatch("[a-z]{3,12}-[a-z]{3,12}-[a-z]{3,12}", link.name) for link in links)
    assert len({link.name for link in links}) == len({link.address for link in links}) == len(links)
    assert all(ipaddress.ip_address(link.address).is_loopback for link in links)


def test_some_links_are_the_same_for_the_same_round() -> None:
    assert some(5, 1000, 3) == some(5, 1000, 3) != some(5, 1000, 4)
    assert len(some(16, 10, 1)) == 10


# The distribution's modules, types and folder are the only files of the machine that they may read.
OF_THE_MACHINE = r"include /etc/nginx/(modules-enabled/\*\.conf|mime\.types);|ServerRoot /etc/apache2\n|/dev/null"


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (LightshipNginx, ("nginx.conf", "conf.d/lightship.conf", "lua/lightship_links.lua", "lua/lightship_nginx.lua")),
        (LightshipApache, ("lightship.conf", "lua/lightship_links.lua", "lua/lightship_apache.lua")),
    ],
)
def test_the_roles_files_use_the_scratch_folder_alone(
    tmp_path: Path, kind: type[LightshipNginx | LightshipApache], files: tuple[str, ...]
) -> None:
    server = kind(tmp_path, 18_443, certificates.make(tmp_path / "certificates"))
    server.configure([Link(0)])
    assert (server.folder / "routes" / Link(0).name).read_text(encoding="ascii") == f"{Link(0).target}\n"
    for file in files:
        text = (server.folder / file).read_text(encoding="utf-8")
        rest = re.sub(OF_THE_MACHINE, "", text)
        assert not re.search(r"(?<![\w/])/(etc|run|var)/", rest), file


def test_the_servers_have_names_and_settings_of_their_own() -> None:
    assert len({kind.name for kind in EVERY}) == len(EVERY)
    assert all(kind.settings and (kind.limit or kind.most_links >= 100_000) for kind in EVERY)


def test_a_chart_is_readable_on_dark_pages_too() -> None:
    text = chart.bars("A & B", ["10 links", "1,000 links"], {"one": [[1.0, 2.0, 4.0], []], "two": [[30.0], [50.0]]})
    assert "prefers-color-scheme: dark" in text
    drawn = [element for element in ET.fromstring(text).iter() if element.tag.endswith("rect")]  # noqa: S314 - ours
    assert len(drawn) == 2 + 3


@pytest.mark.parametrize(("found", "expected"), [([], ""), ([3.0], "3"), ([1.0, 2.0, 900.0], "2 (1 to 900)")])
def test_a_cell_has_the_median_and_the_spread(found: list[float], expected: str) -> None:
    assert report.cell(found) == expected
