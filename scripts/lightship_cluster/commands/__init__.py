"""What can be done about links that there are: one module for each command, each with `run`."""
