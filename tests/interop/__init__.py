"""Our MLS against other people's: programs that talk to each other as peers."""
