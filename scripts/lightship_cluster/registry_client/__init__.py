"""The client of the registry's API, for the agent and the job."""
