"""What a worker agrees on with its installation: vendor, accounts, limits."""
