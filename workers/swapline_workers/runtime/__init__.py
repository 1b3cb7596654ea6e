"""What one worker process is made of, from start to stop."""
