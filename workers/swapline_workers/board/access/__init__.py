"""Who may see the board, and who may decide on it."""
