"""The job on the compute node."""
