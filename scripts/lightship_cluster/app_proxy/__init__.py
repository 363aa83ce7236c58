"""The HTTPS proxy in front of a program that is not Jupyter."""
