"""Where a device keeps everything: one encrypted database file for each account."""
