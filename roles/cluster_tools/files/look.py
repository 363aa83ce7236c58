"""Tell what a login node has, as one JSON object, and change nothing. Arguments: prefix, scheduler path.

Old Pythons must be able to run this to be told that they are too old.
"""

import json
import os
import shutil
import sys
from pathlib import Path

# By which commands start-jupyter and the agent know a scheduler; PBS and Torque share theirs.
COMMANDS = {"slurm": ("sbatch", "sinfo"), "pbs": ("qsub", "qstat"), "torque": ("qsub", "qstat")}

# What the programs' first line names, and where they look when that is too old.
PYTHON = Path("/usr/bin/python3")
NEWER = ["/usr/bin/python3.%d" % minor for minor in range(9, 41)]  # noqa: UP031 - no f-strings in the oldest

prefix, scheduler_path = sys.argv[1:3]


def there(command: str) -> bool:
    """Whether the agent would find the command."""
    return shutil.which(command, path=scheduler_path) is not None


parent = next(folder for folder in [Path(prefix), *Path(prefix).parents] if folder.exists())
print(
    json.dumps(
        {
            "python": ".".join(str(number) for number in sys.version_info[:3]),
            "python_is_there": PYTHON.exists(),
            "python_is_new_enough": sys.version_info >= (3, 9) or any(map(os.path.exists, NEWER)),
            "openssl": shutil.which("openssl") is not None,
            "systemd": Path("/run/systemd/system").is_dir(),
            "schedulers": [name for name, needed in COMMANDS.items() if all(map(there, needed))],
            "parent": str(parent),
            "parent_is_writable": parent.is_dir() and os.access(str(parent), os.W_OK),
        }
    )
)
