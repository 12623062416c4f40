"""The errors a user can cause or meet, one class per remedy. The command line turns each into one sentence."""


class SparringError(Exception):
    """Something a user can mend; the message is one sentence that names the cause and the remedy."""


class GameError(SparringError):
    """A game breaks a rule of play."""


class DataError(SparringError):
    """The data cannot be used as given."""


class RunError(SparringError):
    """A run folder or a checkpoint cannot be used as given."""


class Diverged(SparringError):
    """A loss, gradient or weight stopped being finite; training stopped before it could be saved."""
