"""The HTTP API for agents and jobs."""
