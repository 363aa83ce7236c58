"""The options, settings files and defaults of users and sites."""
