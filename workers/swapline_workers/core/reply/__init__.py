"""Read the vendor's replies: status, pictures, evidence of failures."""
