"""What the gateway answers to: a module for each kind of route."""
