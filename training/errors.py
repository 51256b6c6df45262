"""The errors that end a command with one line and an exit code of their own.

TrainingError (1)
├── UsageError (2)       a setting or an argument that makes no sense
├── DataError (3)        images, labels or a run's files that cannot be used
├── LockedError (5)      another process works on the same run or model
└── ExportError (3)      the exported graph does not reproduce the network
"""


class TrainingError(Exception):
    """The message names the thing, its value and what is allowed."""

    exit_code = 1


class UsageError(TrainingError):
    """A setting or an argument is outside of what is allowed."""

    exit_code = 2


class DataError(TrainingError):
    """The data cannot be used as they are."""

    exit_code = 3


class ExportError(TrainingError):
    """The exported graph and the network disagree, so nothing is published."""

    exit_code = 3


class LockedError(TrainingError):
    """Another process holds the lock."""

    exit_code = 5
