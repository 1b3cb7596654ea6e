"""When to poll next: learned service times, and the plan made from them."""
