"""Drawn people, costumes and portraits."""
