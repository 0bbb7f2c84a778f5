"""Machine models and their files."""
