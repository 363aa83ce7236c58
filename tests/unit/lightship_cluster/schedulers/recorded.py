"""Replays the recorded output of OpenPBS's commands; see openpbs/README.md."""

from __future__ import annotations

import json
import os
import pwd
import sys
from pathlib import Path
from typing import Any

from unit.lightship_cluster.fake_programs import program

FOLDER = Path(__file__).with_name("openpbs")
DELIMITER = "0123456789abcdef0123456789abcdef"
ME = pwd.getpwuid(os.getuid())

# Alice is whoever runs the tests; bob and mallory are nobody here.
_QSTAT = """#!{python}
import json, sys
arguments = sys.argv[1:]
delimiter = arguments[arguments.index("-D") + 1] if "-D" in arguments else {delimiter!r}
asked = [{delimiter!r} if word == delimiter else word for word in arguments]
with open({noted!r}, "a") as noted:
    noted.write(json.dumps(asked) + "\\n")
for call in json.load(open({file!r}))["calls"][{situation!r}]:
    if call["arguments"] == asked:
        out = call["stdout"].replace({delimiter!r}, delimiter).replace("=alice@", "={user}@")
        out = out.replace(" = alice@", " = {user}@")
        sys.stdout.buffer.write(out.encode("latin-1"))
        sys.stderr.buffer.write(call["stderr"].encode("latin-1"))
        sys.exit(call["status"])
sys.exit("not recorded: " + " ".join(asked))
"""


def jobs(file: str) -> dict[str, str]:
    """The recorded jobs by their kinds."""
    found: dict[str, str] = _read(file)["jobs"]
    return found


def printed(file: str, situation: str) -> str:
    """The output of the first call in a situation."""
    text: str = _read(file)["calls"][situation][0]["stdout"]
    return text


def qstat(folder: Path, file: str, situation: str) -> Path:
    """Put a qstat into the folder that replays the recording; the returned file has a line for each call."""
    noted = folder / "qstat.noted"
    noted.write_text("")
    told = {"file": str(FOLDER / f"{file}.json"), "situation": situation, "noted": str(noted), "user": ME.pw_name}
    program(folder / "qstat", _QSTAT.format(python=sys.executable, delimiter=DELIMITER, **told))
    return noted


def calls(noted: Path) -> list[list[str]]:
    """The arguments of each call."""
    return [json.loads(line) for line in noted.read_text().splitlines()]


def _read(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))
    return found
