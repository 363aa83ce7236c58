"""`lightship authorities`: the certificates that notebooks and proxy trust."""

from __future__ import annotations

from pathlib import Path

import click

from lightship_registry.admin import host
from lightship_registry.admin.output import json_option, print_json, print_pairs
from lightship_registry.core.clock import wall
from lightship_registry.pki.certificates import certificates


@click.command()
@json_option
@click.pass_obj
def authorities(config: Path, as_json: bool) -> None:
    """Show both private authorities and the proxy's client certificate, with the days that are left."""
    loaded = host.load(config)
    host.become_service(loaded)
    now = wall()
    data = [
        {
            "use": seen.use,
            "file": str(seen.path),
            "subject": seen.subject,
            "sha256": seen.sha256,
            "days_left": seen.days(now),
            "ends": int(seen.ends),
        }
        for seen in certificates(loaded)
    ]
    if as_json:
        print_json(data)
        return
    for number, one in enumerate(data):
        if number:
            click.echo()
        print_pairs((key.replace("_", " "), str(value)) for key, value in one.items() if key != "ends")
