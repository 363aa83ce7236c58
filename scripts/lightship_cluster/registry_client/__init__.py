"""How the agent and the job reach the registry."""
