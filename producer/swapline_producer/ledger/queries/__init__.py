"""Reads over many jobs: figures, history, search, summaries."""
