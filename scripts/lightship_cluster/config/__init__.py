"""What users and sites can set: options, settings files, defaults."""
