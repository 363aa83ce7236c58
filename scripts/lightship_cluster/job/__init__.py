"""What runs in the job on the compute node."""
