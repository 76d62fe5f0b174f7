"""What a check says when something is not as it should be."""


class Failed(Exception):
    """Something does not work here.  The text is one sentence."""
