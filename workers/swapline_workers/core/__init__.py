"""Decisions without I/O: time and random numbers come in as values."""
