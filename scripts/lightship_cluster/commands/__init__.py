"""The commands besides starting: one module for each, with a function `run`."""
