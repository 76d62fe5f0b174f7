"""The working group's test vectors, run against the library.

    python -m tests.vectors ../shared/mls-vectors/*.json

One check per kind of file; `runner.KINDS` lists them.  A vector passes only if every field in it
was looked at and, where the format allows it, what was read could be made as well: signatures,
ciphertexts, paths and Welcomes of our own go through the same checks as those in the file.
"""
