"""What a user and a login node need to give a notebook a link. Standard library only, Python 3.9 or newer."""

__version__ = "0.1.0"
