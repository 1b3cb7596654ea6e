"""Input pictures, checked before anything is stored or spent."""
