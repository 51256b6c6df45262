"""The errors that end a command with one line and an exit code of their own.

TrainingError (1)
├── UsageError (2)       a setting or an argument that makes no sense
├── DataError (3)        images, labels or a run's files that cannot be used
├── LockedError (5)      another process works on the same run or model
├── ExportError (3)      the exported graph does not reproduce the network
├── GateError (4)        a model whose scores do not reach what was asked for
├── CollapseError (6)    the generator makes one image, whatever its latents
└── StoppedError (1)     a signal ended a job before it was done
"""

from mirage.bundle.errors import BundleError


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


class GateError(TrainingError):
    """The model is whole, but not good enough to be published."""

    exit_code = 4


class CollapseError(TrainingError):
    """Training has ended in a generator that is of no use."""

    exit_code = 6


class StoppedError(TrainingError):
    """The job was asked to end; the same command goes on with it."""


def exit_code_of(error: TrainingError | BundleError) -> int:
    """What a command leaves with: a store in use is 5, a bundle or store that is broken 3."""
    if isinstance(error, TrainingError):
        return error.exit_code
    return LockedError.exit_code if error.reason == "locked" else DataError.exit_code
