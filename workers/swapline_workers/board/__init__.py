"""The board: a page for people, on top of the ledger, rendered on the server.

Every page stops after a fixed number of entries, so it stays fast however many jobs there are.
"""
