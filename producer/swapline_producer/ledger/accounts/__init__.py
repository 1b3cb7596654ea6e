"""The vendor's accounts: whose they are, their limits, and the workers that use them."""
