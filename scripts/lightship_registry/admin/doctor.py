"""`lightship doctor`: is everything in order, and if not, what is to be done?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from lightship_registry import settings
from lightship_registry.admin import host, machine_checks, service_checks
from lightship_registry.admin.findings import WARNING, WRONG, Finding, ok, wrong
from lightship_registry.admin.output import cell, console, examples, json_option, print_json
from lightship_registry.admin.status import ExitStatus
from lightship_registry.errors import RegistryError
from lightship_registry.settings import Settings


@click.command(epilog=examples("lightship doctor", "lightship doctor --json | jq '.[] | select(.level != \"ok\")'"))
@click.option("--socket", type=click.Path(path_type=Path), default="/run/lightship/registry.sock", show_default=True)
@json_option
@click.pass_obj
def doctor(config: Path, socket: Path, as_json: bool) -> int:
    """Look at everything, and say what to do.

    One line for each thing: ok, warning or wrong. The exit status is 1 when something is wrong, and 0 else.
    """
    found = list(examine(config, socket))
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            _print(finding)
    return ExitStatus.FAILED if any(finding.level == WRONG for finding in found) else ExitStatus.OK


def examine(config: Path, socket: Path) -> Iterator[Finding]:
    """Everything that can be known."""
    try:
        loaded = settings.load(config)
    except RegistryError as error:
        yield wrong(error.sentence, "Correct the inventory and run site.yml.")
        return
    yield ok(f"{config} is valid")
    host.require_root(loaded)
    yield from machine_checks.kernel_can_cut()
    yield from machine_checks.units()
    yield from machine_checks.clock()
    yield from machine_checks.answers(socket)
    yield from machine_checks.space(loaded)
    yield from machine_checks.openers(loaded.store_file)
    # The rest as the service sees it: what root may read says nothing of what the service may.
    host.become_service(loaded)
    yield from _service(loaded)


def _service(loaded: Settings) -> Iterator[Finding]:
    yield from service_checks.folders(loaded)
    yield from service_checks.keys(loaded)
    yield from service_checks.lifetimes(loaded)
    yield from service_checks.store(loaded)
    yield from service_checks.orders(loaded)


def _print(finding: Finding) -> None:
    out = console()
    out.print(
        cell(finding.level), " " * (len(WARNING) - len(finding.level)), finding.what, markup=False, soft_wrap=True
    )
    if finding.remedy:
        out.print(" " * len(WARNING), " ", finding.remedy, markup=False, soft_wrap=True)
