"""The demo: the whole system on one host, three photographs through it, and a page to look at."""
