"""Files: sealed in pieces, sent and fetched in pieces, and never opened by themselves."""
