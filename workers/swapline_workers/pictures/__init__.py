"""What becomes of the vendor's pictures before they are stored: variants, clean copies, and marks of their origin."""
