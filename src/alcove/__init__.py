"""Alcove: private conversations on a server you run.

What exists today is `alcove.mls`, the encryption that everything else will
stand on.  It is a library of its own: it imports nothing else from here.
"""

__version__ = "0.1.0"
