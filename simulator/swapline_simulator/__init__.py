"""The vendor over real HTTP, and how it misbehaves."""
