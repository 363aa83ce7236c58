"""The interface for clients of SDSC's Satellite proxy."""
