"""Commands about the account of the vendor: which one, its slots, credits and limits."""
