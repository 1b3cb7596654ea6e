"""What a caller asks for, checked, and the job that is made of it."""
