"""What goes over the wire: requests, answers, problems, and their description."""
