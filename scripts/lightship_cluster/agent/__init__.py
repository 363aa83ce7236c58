"""The agent of a login node, its socket and its client; and the helper that runs PBS's `qstat` for it."""
