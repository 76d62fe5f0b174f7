"""One test for each rule of `docs/mls-rules.md`, on messages that break that rule alone."""
