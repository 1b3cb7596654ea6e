"""Swapline over HTTP: `swapline gateway`."""
