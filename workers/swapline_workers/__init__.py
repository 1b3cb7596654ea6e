"""What runs Swapline's jobs: the Celery app, the four steps and the adapters to the world."""
