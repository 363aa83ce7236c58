"""`start-jupyter open`: prints a link again, with its token."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.link_folder import PAGE, TOKEN, default_root, write_private
from lightship_cluster.login.command_line import Asked
from lightship_cluster.login.links import MyLink, find_link, my_links

OPEN_SECONDS = 3.0


def run(asked: Asked, _load: Callable[[], SiteSettings]) -> ExitStatus:
    """Print the link; on a desktop, open it too."""
    link = find_link(my_links(default_root()), asked.name)
    url = f"{link.url}?token={link.folder.read(TOKEN)}"
    print(url, flush=True)
    opener = shutil.which("xdg-open")
    if opener and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _open(opener, link, url)
    return ExitStatus.OK


def _open(opener: str, link: MyLink, url: str) -> None:
    # Every user of this host can read command lines, so the browser gets a file that redirects it to the link.
    page = link.folder.path / PAGE
    try:
        page.unlink(missing_ok=True)
        write_private(page, f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={html.escape(url)}">\n')
        status = _status(opener, page)
    except OSError as error:
        raise _not_opened(f" ({error.strerror})") from error
    if status:
        raise _not_opened("")
    print("Your browser opens it.", file=sys.stderr)


def _status(opener: str, page: Path) -> int:
    """The opener's exit status; 0 if it still runs, since it may be the browser itself."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([opener, str(page)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        return process.wait(OPEN_SECONDS)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it is left running; this keeps Python from warning
        return 0


def _not_opened(why: str) -> LightshipError:
    return LightshipError(f"The browser could not be opened{why}. Copy the link into it.", ExitStatus.FAILED)
