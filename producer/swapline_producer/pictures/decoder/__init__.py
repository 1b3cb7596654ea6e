"""The child process that decodes pictures, and its messages."""
