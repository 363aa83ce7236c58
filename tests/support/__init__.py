"""Helpers of the tests on the bed: its hosts, its clusters, notebooks and deployments."""
