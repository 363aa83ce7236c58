"""Numbers for Prometheus, and the administrators' page."""
