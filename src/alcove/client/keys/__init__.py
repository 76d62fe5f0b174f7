"""Keys: what opens an account, what seals a room, and who signs what.  No I/O, no dice."""
