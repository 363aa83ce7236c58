"""Limits that both sides keep: the longest texts, in characters, and how early the end of a notebook is warned of.

The registry shortens longer texts, except keys.
"""

from __future__ import annotations

TITLE = 100
# The command that starts a link's notebook again, as its user typed it.
COMMAND = 500
REASON = 200
NODE = PARTITION = 64
FOLDER = 500
# The last lines of a job's log.
TAIL, TAIL_LINES = 4000, 20
# The reason why a login node's agent cannot ask its scheduler, with advice.
FAULT = 500
# The line of a public SSH key, and the comment in it.
SSH_KEY, SSH_KEY_COMMENT = 4096, 100
# The centre's name on the pages.
CENTRE_NAME = 100
# The seconds before a notebook's end from which its terminals and its page warn; at most half of its time.
WARN_SECONDS = 300.0
