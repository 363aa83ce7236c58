"""What `start-jupyter` does on the login node."""
