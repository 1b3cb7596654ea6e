"""Whether the store is this installation's, and works."""
