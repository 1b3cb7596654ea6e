"""Standard Webhooks: keys, signatures, endpoints and the addresses that are allowed."""
