"""The causes of a link's end, as words for programs; a sentence for people, the reason, goes beside them."""

from __future__ import annotations

STOPPED = "stopped"  # the user shut Jupyter down
CANCELLED = "cancelled"  # the user cancelled the link or its job
TIME_LIMIT = "time-limit"
OUT_OF_MEMORY = "out-of-memory"
NODE_FAILED = "node-failed"
FAILED = "failed"  # Jupyter or the job ended with an error
NOT_STARTED = "not-started"  # the job did not start within the time for waiting
SILENT = "silent"  # no heartbeat for a long time
REVOKED = "revoked"  # by an administrator
ENDED = "ended"  # the job gave no cause

# The reason beside CANCELLED when `start-jupyter stop` ended the link: the ended page knows it by this sentence.
STOPPED_BY_COMMAND = "Stopped with start-jupyter stop."
