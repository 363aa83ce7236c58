"""`make bench-peers`: Lightship's web servers and their alternatives, measured side by side."""
