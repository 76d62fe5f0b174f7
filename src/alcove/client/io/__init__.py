"""The edge: sockets, files, clocks and dice.  Only here anything awaits."""
