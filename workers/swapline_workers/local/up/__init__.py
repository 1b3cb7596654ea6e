"""`swapline up`: the whole system on one host, kept running by one command."""
