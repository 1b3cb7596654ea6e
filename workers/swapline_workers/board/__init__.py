"""The board: a read-only page for people, on top of the ledger.

    swapline board        # needs SWAPLINE_BOARD_PASSWORD

Server-rendered, and nothing is loaded from anywhere else. Flower shows what runs now and forgets; the ledger remembers.
Every page reads indexes from one end and stops after a fixed number of entries, so that it stays fast however many jobs
there are.
"""
