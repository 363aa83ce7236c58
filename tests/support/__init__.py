"""What the tests on the bed share: its hosts, its clusters, notebooks and deployments."""
