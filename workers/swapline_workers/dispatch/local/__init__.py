"""Steps on the threads of this process without Celery's way to a thread: for speed alone."""
