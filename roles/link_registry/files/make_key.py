"""Write 32 random bytes as hex into a new file that root writes and one group reads. Arguments: path, group."""

import os
import secrets
import shutil
import sys
from pathlib import Path

path, group = Path(sys.argv[1]), sys.argv[2]
beside = path.with_suffix(".new")
beside.touch(mode=0o600)
beside.write_text(secrets.token_hex(32) + "\n")
shutil.chown(beside, "root", group)
beside.chmod(0o640)
# A link, not a rename: a key that is already there is never replaced.
os.link(str(beside), str(path))
beside.unlink()
