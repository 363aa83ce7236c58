"""The commands, the job and the agent that give a notebook a link. Standard library only, Python 3.9 or newer."""

__version__ = "0.1.0"
