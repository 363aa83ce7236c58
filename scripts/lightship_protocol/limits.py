"""How long a text may be on its way to the registry, in characters. Longer ones are cut, but for a key."""

from __future__ import annotations

TITLE = 100
# What starts a link's notebook again, as its user typed it.
COMMAND = 500
REASON = 200
NODE = PARTITION = 64
FOLDER = 500
# The last lines of a job's log.
TAIL, TAIL_LINES = 4000, 20
# Why a login node's agent cannot ask its scheduler, with advice.
FAULT = 500
# A public SSH key's line, and the comment in it.
SSH_KEY, SSH_KEY_COMMENT = 4096, 100
# The centre's own name on its pages.
CENTRE_NAME = 100
