"""Steps on the threads of this process, without a message or without Celery's way to a thread: for speed alone."""
