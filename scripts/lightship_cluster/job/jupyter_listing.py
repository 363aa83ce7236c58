"""Runs inside Jupyter's own server, and lists it for Jupyter's tools, such as `jupyter server list` and ipynbname.

The server's own info file is in the job's private folder, which is hidden from kernels and terminals. The info file
written here has the link as the address, since the node's own address answers only the web server.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

AGAIN_SECONDS = 30.0


class Listing:
    """The info file of one server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._file = Path()

    def install(self, app: type[Any]) -> None:
        """Make servers of this class write and remove this info file together with their own."""
        write, remove = app.write_server_info_file, app.remove_server_info_file

        def write_both(this: Any) -> None:  # noqa: ANN401 - Jupyter's
            write(this)
            with suppress(OSError):
                self._begin(this)

        def remove_both(this: Any) -> None:  # noqa: ANN401 - Jupyter's
            remove(this)
            with suppress(OSError):
                self._file.unlink()

        app.write_server_info_file, app.remove_server_info_file = write_both, remove_both

    def _begin(self, app: Any) -> None:  # noqa: ANN401 - Jupyter's
        from jupyter_core.paths import jupyter_runtime_dir
        from tornado.ioloop import PeriodicCallback

        folder = Path(jupyter_runtime_dir())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            app.log.warning("%s is open to others, so `jupyter server list` will not find this server.", folder)
            return
        self._file = folder / Path(app.info_file).name
        info = {**app.server_info(), "url": self._url, "hostname": urlsplit(self._url).hostname, "password": False}
        text = json.dumps(info, indent=2, sort_keys=True)
        self._write(text)
        # On another node with the same home, the process does not exist, so `jupyter server list` removes the file
        # there.
        PeriodicCallback(lambda: self._write_again(text), AGAIN_SECONDS * 1000).start()

    def _write_again(self, text: str) -> None:
        with suppress(OSError):
            if not self._file.exists():
                self._write(text)

    def _write(self, text: str) -> None:
        fresh = self._file.with_suffix(".fresh")
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        fresh.replace(self._file)


def install(app: type[Any], metadata: dict[str, Any]) -> None:
    """List servers of this class by the link in the metadata of `register-jupyter`."""
    Listing(metadata["url"]).install(app)
