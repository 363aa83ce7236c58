"""Everything that the registry and the cluster's side must agree on. Standard library only, Python 3.9 or newer.

Both packages import it, and it is packed into every command, so that neither side can drift.
"""
