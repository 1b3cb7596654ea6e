"""The simulated account: its jobs, slots, credits and service times."""
