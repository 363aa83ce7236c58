"""Fake programs for the unit tests, among them a fake Jupyter. The test bed has the real ones."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

# Pathlib fails for this name as it does below a folder that may not be entered. Root may enter every folder.
NAME_TOO_LONG = "x" * 300


def program(path: Path, text: str) -> Path:
    """Write an executable file: a fake for a command on PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def installed_jupyter(prefix: Path, version: str = "2.21.1", *programs: str) -> Path:
    """Create an environment in the layout of pip, with the command `jupyter` and others beside it."""
    for name in ("jupyter", *programs):
        program(prefix / "bin" / name, f"#!{prefix}/bin/python3\n")
    packages = prefix / "lib" / "python3.12" / "site-packages"
    for name in (f"jupyter_server-{version}", "jupyter_server_terminals-0.5"):
        (packages / f"{name}.dist-info").mkdir(parents=True, exist_ok=True)
    return prefix / "bin" / "jupyter"


# Behaves like Jupyter as far as register-jupyter can see: settings, runtime file, mutual TLS, SIGTERM.
JUPYTER = f"""#!{sys.executable}
import json, os, pathlib, signal, socket, ssl, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
told = json.loads(pathlib.Path(os.environ["JUPYTER_CONFIG_PATH"].split(":")[0], "lightship.json").read_text())
given = told["server"]
print("environment", json.dumps(dict(os.environ)), flush=True)
print("arguments", json.dumps(sys.argv), flush=True)
print("told", json.dumps(told), flush=True)
if os.environ.get("STAND_IN") == "fails":
    sys.exit("no module named jupyter")
port = int(given["port"]) + (os.environ.get("STAND_IN") == "next-port")
robbed = pathlib.Path(given["certfile"]).with_name("robbed")
if os.environ.get("STAND_IN") == "robbed" or os.environ.get("STAND_IN") == "robbed-once" and not robbed.exists():
    robbed.touch()
    # Another process of the node, which was quicker.
    quicker = socket.create_server((given["ip"], port))
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(5)
        signal.pause()
    sys.exit("Address already in use")
token = pathlib.Path(os.environ["JUPYTER_TOKEN_FILE"]).read_text()
if os.environ.get("STAND_IN") == "own-token":
    token = ""
server = "nbserver" if os.environ.get("STAND_IN") == "old-server" else "jpserver"
runtime = pathlib.Path(os.environ["JUPYTER_RUNTIME_DIR"], f"{{server}}-{{os.getpid()}}.json")
if os.environ.get("STAND_IN") != "unguarded":
    runtime.with_name("guarded").touch()
runtime.write_text(json.dumps({{"port": port, "token": token}}))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(given["certfile"], given["keyfile"])
context.load_verify_locations(given["client_ca"])
context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server((given["ip"], port))
if os.environ.get("STAND_IN") in ("shut-down", "robbed-once"):
    signal.alarm(1)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
while True:
    connection, _ = listener.accept()
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()
"""
