"""The life of a link: its name, job, target and route."""
