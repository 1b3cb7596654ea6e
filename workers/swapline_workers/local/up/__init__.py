"""`swapline up`: the whole system on one host."""
