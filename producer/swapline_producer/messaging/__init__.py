"""Celery messages of producers and workers."""
