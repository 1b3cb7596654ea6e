"""`swapline demo`: photographs through the whole system on one host."""
