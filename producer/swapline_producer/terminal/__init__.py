"""What commands share: output for people and programs, progress, numbers."""
