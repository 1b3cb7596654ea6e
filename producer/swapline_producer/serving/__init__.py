"""What the processes that listen have in common: the board and the gateway. Imports no server."""
