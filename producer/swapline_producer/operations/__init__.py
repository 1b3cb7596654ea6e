"""What operators do: recover jobs, replay deliveries, restore, examine."""
