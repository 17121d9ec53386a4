"""What the artist does."""
