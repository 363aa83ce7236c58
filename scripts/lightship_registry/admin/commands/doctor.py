"""`lightship doctor`: checks everything, and says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.text import Text

from lightship_registry.admin import (
    authority_checks,
    host,
    machine_checks,
    name_checks,
    service_checks,
    web_checks,
    workstation_checks,
)
from lightship_registry.admin.checks import NOTE, OK, WARNING, WRONG, Finding, ok, wrong
from lightship_registry.admin.output import cell, console, examples, json_option, print_json, printable
from lightship_registry.admin.status import ExitStatus
from lightship_registry.core import settings
from lightship_registry.core.clock import wall
from lightship_registry.core.errors import RegistryError
from lightship_registry.monitoring import check_report
from lightship_registry.monitoring.check_report import Report

LEVELS = {OK: 0, NOTE: 0, WARNING: 1, WRONG: 2}


@click.command(epilog=examples("lightship doctor", "lightship doctor --json | jq '.[] | select(.level != \"ok\")'"))
@click.option("--socket", type=click.Path(path_type=Path), default="/run/lightship/registry.sock", show_default=True)
@click.option("--report", is_flag=True, help="Keep what was found for the metrics, as the timer does.")
@json_option
@click.pass_obj
def doctor(config: Path, socket: Path, report: bool, as_json: bool) -> int:
    """Look at everything, and say what to do.

    One line for each thing: ok, note, warning or wrong. The exit status is 1 when something is wrong, and 0 else.
    """
    found = list(examine(config, socket))
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            _print(finding)
        console().print(_summary(found), soft_wrap=True)
    if report:
        _keep(config, found)
    return ExitStatus.FAILED if any(finding.level == WRONG for finding in found) else ExitStatus.OK


def _summary(found: list[Finding]) -> str:
    """How many things are wrong, in a sentence; a warning is none of them."""
    wrong_ones, warnings = (sum(finding.level == level for finding in found) for level in (WRONG, WARNING))
    if wrong_ones:
        return f"{wrong_ones} {'thing is' if wrong_ones == 1 else 'things are'} wrong."
    return f"Nothing is wrong.{f' Warnings: {warnings}.' if warnings else ''}"


def examine(config: Path, socket: Path) -> Iterator[Finding]:
    """Run all checks that can be run."""
    try:
        loaded = settings.load(config)
    except RegistryError as error:
        yield from _named("settings", [wrong(error.sentence, "Correct the inventory and run site.yml.")])
        return
    yield from _named("settings", [ok(f"{config} is valid")])
    host.require_root(loaded)
    yield from _named("cutter", machine_checks.kernel_can_cut())
    yield from _named("units", machine_checks.units())
    yield from _named("clock", machine_checks.clock())
    yield from _named("ssh-host-keys", machine_checks.host_keys())
    yield from _named("service", machine_checks.answers(socket))
    yield from _named("web-server", web_checks.web_server(loaded))
    yield from _named("public-certificate", web_checks.public_certificate(loaded))
    yield from _named("renewal", web_checks.renewal(loaded))
    yield from _named("workstations", workstation_checks.certificates())
    yield from _named("name-server", name_checks.name_server(loaded))
    yield from _named("delegation", name_checks.delegation())
    yield from _named("public-suffix", name_checks.public_suffix(loaded))
    yield from _named("disk", machine_checks.space(loaded))
    yield from _named("store-users", machine_checks.openers(loaded.store_file))
    # The other checks run as the service's user: root may read more than the service.
    host.become_service(loaded)
    yield from _named("folders", service_checks.folders(loaded))
    yield from _named("cluster-keys", service_checks.keys(loaded))
    yield from _named("agents", service_checks.agents(loaded))
    yield from _named("authorities", authority_checks.lifetimes(loaded))
    yield from _named("authorities", authority_checks.unfinished(loaded))
    yield from _named("store", service_checks.store(loaded))
    yield from _named("cuts", service_checks.orders(loaded))


def _named(check: str, found: Iterable[Finding]) -> Iterator[Finding]:
    for finding in found:
        yield replace(finding, check=check)


def _keep(config: Path, found: Iterable[Finding]) -> None:
    levels: dict[str, int] = {}
    workstations: dict[str, str] = {}
    ends, reason = 0.0, ""
    for finding in found:
        levels[finding.check] = max(levels.get(finding.check, 0), LEVELS[finding.level])
        if finding.workstation:
            workstations[finding.workstation] = finding.reason
        else:
            ends, reason = finding.ends or ends, finding.reason or reason
    try:
        loaded = settings.load(config)
    except RegistryError:
        return  # without settings the path is unknown; the metrics show that the report gets old
    host.become_service(loaded)
    check_report.save(check_report.path_of(loaded), Report(wall(), levels, ends, reason, workstations))


def _print(finding: Finding) -> None:
    out = console()
    out.print(
        cell(finding.level), " " * (len(WARNING) - len(finding.level)), Text(printable(finding.what)), soft_wrap=True
    )
    if finding.remedy:
        out.print(" " * len(WARNING), " ", Text(printable(finding.remedy)), soft_wrap=True)
