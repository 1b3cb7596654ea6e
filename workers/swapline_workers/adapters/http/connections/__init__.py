"""Connections with a deadline, a tunnel or a proxy."""
