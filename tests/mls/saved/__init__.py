"""States that were saved once, and that every later version must still read."""
