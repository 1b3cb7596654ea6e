"""Many jobs at a time: manifests, bulk, results."""
