"""Runs Swapline's jobs: the Celery app, the four steps and their adapters."""
