"""The world: the vendor, object storage, webhooks. Foreign errors become ours here."""
