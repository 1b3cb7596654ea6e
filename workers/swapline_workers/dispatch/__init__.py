"""The insides of Celery and kombu. `local/` is not loaded with SWAPLINE_DISPATCH=celery."""
