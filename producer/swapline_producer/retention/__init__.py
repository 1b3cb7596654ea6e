"""Deletion of unneeded inputs and results, purged jobs and orphans."""
