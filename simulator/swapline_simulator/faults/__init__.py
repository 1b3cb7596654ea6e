"""Modes of misbehaviour, and directions when to use them."""
