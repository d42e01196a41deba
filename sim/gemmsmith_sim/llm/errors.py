"""The one error that a user's checkpoint can cause."""


class CheckpointError(ValueError):
    """A checkpoint folder cannot be used.

    The message is one line: which file, what is wrong, what would be right.
    """
