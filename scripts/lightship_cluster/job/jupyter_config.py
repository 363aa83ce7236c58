"""A settings file for Jupyter, which runs it in its own interpreter at its start; Lightship does not import it.

It installs the guard (jupyter_guard.py) and the listing (jupyter_listing.py), works around a fault of Python, and keeps
paths of this job from what Jupyter starts. Several parts of one server may read it.

With OpenSSL 3.4 or newer, a recent Python (3.13.5 was measured) leaves a failed write in the thread's list of OpenSSL
errors, and then takes it for the result of whatever other connection is read next: one browser that hangs up in the
middle of an answer ends other requests, downloads and kernel channels (github.com/python/cpython/issues/148594).
Tornado closes a connection that failed at once, so the list is emptied there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent
# The metadata that register-jupyter wrote for this job.
METADATA = FOLDER / "lightship.json"


def _change(server: Any) -> None:  # noqa: ANN401 - Jupyter's
    """Load the modules beside this file, once in the process; they change the server's class."""
    metadata = json.loads(METADATA.read_text("utf-8"))
    for name in ("jupyter_guard", "jupyter_listing"):
        known = f"lightship_{name}"
        if known not in sys.modules:
            spec: Any = importlib.util.spec_from_file_location(known, FOLDER / f"{name}.py")
            sys.modules[known] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.install(server, metadata)


def _forget_errors_at_close(iostream: ModuleType) -> None:
    stream: Any = iostream.SSLIOStream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    close_fd = stream.close_fd

    def forget_and_close(self: object) -> None:
        # Python empties the list when it refuses a cipher; no other way works in every version.
        with suppress(ssl.SSLError):
            context.set_ciphers("none-such")
        close_fd(self)

    stream.close_fd = forget_and_close


def _forget_paths(server: Any) -> None:  # noqa: ANN401 - Jupyter's
    """Keep kernels and terminals from inheriting the job's own folders.

    From a terminal they would reach other jobs, where the folders do not exist and another user could create them.
    """
    if not server.initialized():
        return
    # The server reads the variable once and keeps the value.
    own = Path(server.instance().runtime_dir).parent
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_PATH"):
        paths = [path for path in os.environ.get(name, "").split(os.pathsep) if path and Path(path).parent != own]
        os.environ.pop(name, None)
        if paths:
            os.environ[name] = os.pathsep.join(paths)
    users = json.loads(METADATA.read_text("utf-8"))["runtime"]
    if users:
        os.environ["JUPYTER_RUNTIME_DIR"] = users


# Every `jupyter` command of the job reads this file; only a server has these loaded.
if "tornado.iostream" in sys.modules:
    _forget_errors_at_close(sys.modules["tornado.iostream"])
if "jupyter_server.serverapp" in sys.modules:
    _change(sys.modules["jupyter_server.serverapp"].ServerApp)
    _forget_paths(sys.modules["jupyter_server.serverapp"].ServerApp)
