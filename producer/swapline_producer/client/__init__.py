"""The parts of `Producer`."""
