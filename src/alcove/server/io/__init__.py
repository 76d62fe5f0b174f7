"""The only part of the server that waits, and that touches files, clock, dice and sockets."""
