"""A job and what is known of jobs: batches, failures, service times, counts."""
