"""Faults that a simulated vendor can be told to show."""
