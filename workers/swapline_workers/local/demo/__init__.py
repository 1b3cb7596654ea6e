"""`swapline demo`: run the whole system on one host, send photographs through it, show the results."""
