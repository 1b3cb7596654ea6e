"""Shared by pages with a password: logins with limits on guesses, bounds on connections."""
