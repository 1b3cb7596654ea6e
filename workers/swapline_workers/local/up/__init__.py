"""`swapline up`: run the whole system on one host."""
