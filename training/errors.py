"""Errors that end a command with a one-line message and an exit code.

TrainingError (1)
├── UsageError (2)       invalid setting or argument
├── DataError (3)        invalid images, labels or run files
├── LockedError (5)      another process uses the run or model
├── ExportError (3)      the exported graph does not reproduce the network
├── GateError (4)        the model does not reach the required scores
├── CollapseError (6)    training collapsed or diverged
└── StoppedError (1)     a signal stopped the job
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from mirage.bundle.errors import BundleError


class TrainingError(Exception):
    """Base class; the message names the thing, its value and what is allowed."""

    exit_code = 1


class UsageError(TrainingError):
    """A setting or an argument is invalid."""

    exit_code = 2


class DataError(TrainingError):
    """Images, labels or files of a run are invalid."""

    exit_code = 3


class ExportError(TrainingError):
    """The exported graph does not reproduce the network; nothing is published."""

    exit_code = 3


class LockedError(TrainingError):
    """Another process holds the lock."""

    exit_code = 5


class GateError(TrainingError):
    """The model is valid, but does not reach the required scores."""

    exit_code = 4


class CollapseError(TrainingError):
    """Training collapsed or diverged."""

    exit_code = 6


class StoppedError(TrainingError):
    """A signal stopped the job; the same command resumes it."""


def exit_code_of(error: Exception) -> int:
    """The exit code of an error; of a bundle's or store's, that of `mirage bundle`."""
    if isinstance(error, BundleError):
        return error.exit_code()
    return error.exit_code if isinstance(error, TrainingError) else TrainingError.exit_code


def explain(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Name each invalid setting, its value, and what is allowed; known: the names of settings."""
    return "; ".join(_explain(item, known) for item in error.errors())


def _explain(item: Any, known: Iterable[str]) -> str:
    reason = item["msg"].removeprefix("Value error, ")
    place = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        nearest = "".join(f", perhaps {name}" for name in get_close_matches(place, known, 1))
        return f"there is no setting {place}{nearest}; --dry-run lists those of the preset"
    return f"{place} is {item['input']!r}: {reason}" if place else reason
