"""`start-jupyter open`: prints a link again, with its token."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from typing import Callable

from lightship_cluster.command_line import Asked
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.link_folder import PAGE, TOKEN, default_root, write_private
from lightship_cluster.links import MyLink, find_link, my_links
from lightship_cluster.settings import SiteSettings


def run(asked: Asked, _load: Callable[[], SiteSettings]) -> ExitStatus:
    """Print it; where there is a desktop, open it."""
    link = find_link(my_links(default_root()), asked.name)
    url = f"{link.url}?token={link.folder.read(TOKEN)}"
    print(url, flush=True)
    opener = shutil.which("xdg-open")
    if opener and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _open(opener, link, url)
    return ExitStatus.OK


def _open(opener: str, link: MyLink, url: str) -> None:
    # Every user of this host can read command lines, so the browser is given a file that sends it on to the link.
    page = link.folder.path / PAGE
    page.unlink(missing_ok=True)
    write_private(page, f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={html.escape(url)}">\n')
    try:
        subprocess.run(
            [opener, str(page)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise LightshipError("The browser could not be opened. Copy the link into it.", ExitStatus.FAILED) from error
    print("Your browser opens it.", file=sys.stderr)
