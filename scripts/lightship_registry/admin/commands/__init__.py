"""The subcommands of `lightship`: one module each, with a function of its name."""
