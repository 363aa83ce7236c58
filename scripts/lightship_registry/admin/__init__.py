"""The command `lightship` for administrators, on the proxy host."""
