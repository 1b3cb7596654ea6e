"""What Swapline decides, without touching the world: time, chance and I/O come in as values."""
