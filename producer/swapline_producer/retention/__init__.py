"""Deletion of what is no longer needed: inputs, results, purged jobs, orphaned objects."""
