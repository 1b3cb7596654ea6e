"""Adapters to the vendor, object storage and webhooks, which translate foreign errors."""
