"""Commands about the whole installation: examine it, clean it, restore it, who may use it."""
