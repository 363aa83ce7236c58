"""Users' reverse tunnels to this host."""
