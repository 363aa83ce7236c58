"""The command `start-jupyter` on the login node."""
