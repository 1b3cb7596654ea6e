"""Child processes that run, stop and end together."""
