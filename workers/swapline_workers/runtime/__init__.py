"""What one worker process is made of, and its life from start to stop."""
