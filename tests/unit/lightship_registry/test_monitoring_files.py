"""The alert rules and the dashboard that a centre copies, by Prometheus's tool and against our metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightship_registry.core.records import Cause
from lightship_registry.monitoring import check_report
from lightship_registry.monitoring.check_report import Report
from unit.lightship_registry.testbed import Testbed

REPOSITORY = Path(__file__).parents[3]
FILES = REPOSITORY / "roles" / "link_registry" / "files"
RULES = FILES / "prometheus_alerts.yml"
DASHBOARD = json.loads((FILES / "grafana_dashboard.json").read_text())
README = REPOSITORY / "scripts" / "lightship_registry" / "README.md"
RULE_TESTS = Path(__file__).parent / "alerts_test.yml"
NAME = re.compile(r"\blightship_[a-z_]+")

ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
TARGETS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in ALERTS] + TARGETS


def promtool(*arguments: str) -> str:
    """What it says; `make setup` puts it where the tests find it."""
    program = shutil.which("promtool") or str(REPOSITORY / ".bed" / "bin" / "promtool")
    assert Path(program).exists(), "promtool is missing: make setup"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def metrics(testbed: Testbed) -> dict[str, set[str]]:
    """The kind and the names of all samples that the service can give, without those of a value that nobody has."""
    check_report.save(check_report.path_of(testbed.settings), Report(1.0, {"disk": 0}, 1.0))
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    found = {"lightship_satellite_links": {"lightship_satellite_links"}}
    for family in testbed.app.dashboard.metrics.registry.collect():
        found[family.name] = {f"{family.name}{suffix}" for suffix in suffixes[family.type]}
    return found


def test_every_metric_that_is_named_exists(metrics: dict[str, set[str]]) -> None:
    known = set().union(*metrics.values())
    for where, expression in EXPRESSIONS:
        named = set(NAME.findall(expression))
        assert named, where
        assert named <= known, where


def test_the_dashboard_shows_every_metric_and_the_guide_lists_it(metrics: dict[str, set[str]]) -> None:
    shown = set(NAME.findall(" ".join(expression for _, expression in TARGETS)))
    listed = set(re.findall(r"^\| `(lightship_[a-z_]+)` ", README.read_text(), re.MULTILINE))
    for name, samples in metrics.items():
        assert samples & shown, f"no panel shows {name}"
        assert (samples | {name}) & listed, f"the guide does not list {name}"


def test_the_causes_that_are_named_exist() -> None:
    named = {
        cause for _, text in EXPRESSIONS for each in re.findall(r'cause=~"([^"]+)"', text) for cause in each.split("|")
    }
    assert named
    assert named <= {cause.value for cause in Cause}


def test_each_panel_has_its_place() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_prometheus_takes_the_rules_and_the_dashboards_expressions(tmp_path: Path) -> None:
    queries = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, (_, expression) in enumerate(TARGETS)
    ]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": queries}]}))
    said = promtool("check", "rules", str(RULES), str(tmp_path / "panels.yml"))
    assert f"SUCCESS: {len(ALERTS)} rules found" in said
    assert f"SUCCESS: {len(TARGETS)} rules found" in said


def test_each_alert_rings_when_it_should(tmp_path: Path) -> None:
    for path in (RULES, RULE_TESTS):
        shutil.copy(path, tmp_path)
    text = RULE_TESTS.read_text()
    for rule in ALERTS:
        assert text.count(rule["alert"]) >= 2, "both when it rings and when it does not"
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / RULE_TESTS.name))
