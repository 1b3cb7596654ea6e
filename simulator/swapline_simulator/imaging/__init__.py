"""Pictures that the simulator draws."""
