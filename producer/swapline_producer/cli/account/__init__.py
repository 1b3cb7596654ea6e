"""Commands about the vendor's account."""
