"""What a caller asks for, and the job that is made of it."""
