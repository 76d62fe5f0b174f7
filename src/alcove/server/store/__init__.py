"""Where the server keeps everything: two databases behind one small interface.

`database` says what a connection can do, `sqlite` and `postgres` do it, `migrations` brings the
tables up to date and `opening` puts that together.  SQL stands with the handlers that need it, in
one dialect that both understand.
"""
