"""The private authorities and what they sign."""
