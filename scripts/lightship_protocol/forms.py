"""The forms of the names of links, clusters, users, jobs and keys."""

from __future__ import annotations

import re

LINK = re.compile(r"[a-z]{3,12}(-[a-z]{3,12}){2}")
CLUSTER = re.compile(r"[a-z][a-z0-9-]{0,31}")
USER = re.compile(r"[A-Za-z0-9_.@+\\$-]{1,64}")
# The name that a scheduler gives a job: 4712, 4712.server.example.org, here.login1.4712.99.
JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
# Lower-case hexadecimal digits.
SHA256 = re.compile(r"[0-9a-f]{64}")
# The fingerprint of an SSH key, as `ssh-keygen -l` prints it.
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# Keys of security tokens come last: the registry's library supports them from version 43 on.
SSH_KEY_TYPES = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
)
