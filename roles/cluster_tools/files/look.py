"""Tell what a login node has, as one JSON object, and change nothing.

Arguments: prefix, scheduler path, and the scheduler if the site chose it.

Old Pythons must be able to run this to be told that they are too old.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# The commands by which start-jupyter and the agent detect a scheduler; PBS and Torque share theirs.
COMMANDS = {"slurm": ("sbatch", "sinfo"), "pbs": ("qsub", "qstat"), "torque": ("qsub", "qstat")}

SECONDS = 20
# The interpreter in the programs' first line, and where they look if it is too old.
PYTHON = Path("/usr/bin/python3")
NEWER = ["/usr/bin/python3.%d" % minor for minor in range(9, 41)]  # noqa: UP031 - no f-strings in the oldest

prefix, scheduler_path = sys.argv[1:3]
chosen = sys.argv[3] if len(sys.argv) > 3 else ""
# Where its package, or a site that builds it, puts the file that loads completions on first use.
COMPLETION = [Path(folder) / "share/bash-completion/bash_completion" for folder in ("/usr", "/usr/local")]


def there(command: str) -> bool:
    """Whether the agent would find the command."""
    return shutil.which(command, path=scheduler_path) is not None


def output(*command: str) -> str:
    """What a command of the scheduler prints; nothing where it fails, which is no fault of the settings."""
    try:
        program = shutil.which(command[0], path=scheduler_path)
        return subprocess.check_output([program, *command[1:]], stderr=subprocess.DEVNULL, timeout=SECONDS).decode()
    except (OSError, TypeError, ValueError, subprocess.SubprocessError):
        return ""


def minutes(text: str):  # noqa: ANN201 - a number or nothing, for Pythons without a word for that
    """The whole minutes of a limit as schedulers write it, nothing where there is none."""
    found = re.match(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$", text)
    if not found:
        return None
    days, hours, mins, _ = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + mins


def partitions(scheduler: str) -> dict:
    """Each partition or queue, and the longest time that it gives."""
    if scheduler == "slurm":
        rows = [row.split("|") for row in output("sinfo", "--all", "--noheader", "--format=%R|%l").splitlines()]
        return {row[0].strip(): minutes(row[1].strip()) for row in rows if len(row) == 2}
    if scheduler in ("pbs", "torque"):
        parts = re.split(r"^Queue: *", output("qstat", "-Q", "-f"), flags=re.MULTILINE)[1:]
        found = {}
        for part in parts:
            limit = re.search(r"^ *resources_max.walltime = (\S+)", part, re.MULTILINE)
            found[part.split("\n")[0].strip()] = minutes(limit.group(1)) if limit else None
        return found
    return {}


def is_pbs() -> bool:
    """Whether the agent takes the scheduler for PBS; without a choice of the site, as its own search does."""
    if chosen or "slurm" in schedulers:
        return chosen == "pbs"
    return "pbs_version" in output("qstat", "--version")


def systemd_version() -> int:
    """The first number of systemd's version; 0 where there is none."""
    try:
        printed = subprocess.check_output(["systemctl", "--version"], stderr=subprocess.DEVNULL, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"systemd (\d+)", printed.decode("ascii", "replace"))
    return int(found.group(1)) if found else 0


parent = next(folder for folder in [Path(prefix), *Path(prefix).parents] if folder.exists())
schedulers = [name for name, needed in COMMANDS.items() if all(map(there, needed))]
print(
    json.dumps(
        {
            "python": ".".join(str(number) for number in sys.version_info[:3]),
            "python_is_there": PYTHON.exists(),
            "python_is_new_enough": sys.version_info >= (3, 9) or any(map(os.path.exists, NEWER)),
            "openssl": shutil.which("openssl") is not None,
            "systemd": Path("/run/systemd/system").is_dir(),
            "systemd_version": systemd_version(),
            "schedulers": schedulers,
            "pbs": is_pbs(),
            "partitions": partitions(chosen or next(iter(schedulers), "")),
            "bash_completion": any(file.is_file() for file in COMPLETION),
            "parent": str(parent),
            "parent_is_writable": parent.is_dir() and os.access(str(parent), os.W_OK),
        }
    )
)
