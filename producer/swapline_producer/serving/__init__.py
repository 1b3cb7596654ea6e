"""What the board and the gateway have in common. Imports no server."""
