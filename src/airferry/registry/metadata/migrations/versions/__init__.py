"""What changed in the tables, one revision a file."""
