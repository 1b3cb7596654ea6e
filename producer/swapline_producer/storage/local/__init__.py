"""Object storage in a folder: atomic, flushed writes."""
