from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import preview_pages
import pytest

from lightship_registry.core.records import Cause

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = REPOSITORY / "scripts" / "lightship_registry" / "pages" / "templates"
TITLE = re.compile(r"<title>\s*(.*?)\s*</title>", re.DOTALL)


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    return preview_pages.pages(time.time())


def test_every_page_of_the_registry_and_of_the_web_server_is_shown(shown: dict[str, str]) -> None:
    views = (REPOSITORY / "scripts" / "lightship_registry" / "pages" / "views.py").read_text()
    parts = ("base.html", "steps.html", "notify.html")
    for template in TEMPLATES.glob("*.html"):
        assert template.name in parts or template.name == "dashboard.html" or f'"{template.name}"' in views
        title = TITLE.search(template.read_text())
        words = re.split(r"\{[{%].*?[%}]\}|{%", title[1])[0] if title else ""
        assert any(words in text for text in shown.values())
    assert {f"ended-{cause}" for cause in Cause} <= shown.keys()
    frame = "page.html"
    files = {file.name for file in (REPOSITORY / "roles" / "web_proxy" / "files").glob("*.html")} - {frame}
    assert {f"{name.removeprefix('web-server-')}.html" for name in shown if name.startswith("web-server-")} == files


def test_every_page_has_a_title_and_no_value_is_missing(shown: dict[str, str]) -> None:
    for name, text in shown.items():
        title = TITLE.search(text)
        assert title, name
        assert title[1], name
        assert not re.search(r"\bNone\b|Undefined|\{\{|\$title", re.sub(r"(?s)<script>.*?</script>", "", text)), name


def test_they_are_written_as_files(tmp_path: Path, shown: dict[str, str]) -> None:
    assert preview_pages.main(["--folder", str(tmp_path / "pages")]) == 0
    assert {file.stem for file in (tmp_path / "pages").iterdir()} == {*shown, "index"}


def test_they_are_served() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), preview_pages.Preview) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        with urllib.request.urlopen(address) as answer:
            names = re.findall(r'href="(.*?)"', answer.read().decode())
        assert "running.html" in names
        with urllib.request.urlopen(address + "running.html") as answer:  # noqa: S310
            assert b"Your notebook is running" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="502"):
            urllib.request.urlopen(address + ".lightship/running")  # noqa: S310
        server.shutdown()
