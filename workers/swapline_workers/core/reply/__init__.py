"""Reading of what the vendor replies: status, pictures, evidence of failures."""
