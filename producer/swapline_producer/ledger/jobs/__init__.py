"""Jobs and batches: accepted, changed, read, waited for."""
