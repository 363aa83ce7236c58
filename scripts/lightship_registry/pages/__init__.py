"""The pages at the links' addresses."""
