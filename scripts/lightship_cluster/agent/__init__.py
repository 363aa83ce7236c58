"""The agent of a login node, its socket and its client, and the unit that runs PBS's `qstat` for it."""
