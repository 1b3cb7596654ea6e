"""Adapters to the vendor, object storage and webhooks. Foreign errors are translated here."""
