"""What can be done besides starting: one module for each command, each with `run`."""
