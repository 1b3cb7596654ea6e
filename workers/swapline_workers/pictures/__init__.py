"""Variants, clean copies and marks of origin, before pictures are stored."""
