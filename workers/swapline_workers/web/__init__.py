"""Shared by pages with a password: limits on guesses and connections."""
