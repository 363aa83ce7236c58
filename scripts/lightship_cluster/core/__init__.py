"""Errors, paths, users, times and texts, which every other room needs."""
