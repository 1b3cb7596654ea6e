"""Celery messages as the producer and the workers publish them."""
