"""The errors of this package.

MirageError
├── Refused          the server returned an error
├── Unreachable      the server did not respond
├── BadAnswer        the response is invalid
├── DatasetError     the output cannot store the requested dataset, or has another one
├── PictureError     a picture cannot be read or enlarged
├── MissingPackage   a package that is needed is not installed
└── Locked           another process writes to the output
"""

from collections.abc import Mapping, Sequence
from typing import Any

URN = "urn:mirage:"


class MirageError(Exception):
    """Base class of all errors."""


class Refused(MirageError):
    """An error response of the server, as problem details (RFC 9457).

    `errors` lists the invalid fields as `{"loc": [...], "msg": "..."}`. `retry_after_s` is the
    value of `Retry-After` in seconds, or None.
    """

    def __init__(
        self,
        status: int,
        type: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.errors = list(errors)
        self.retry_after_s = retry_after_s

    @property
    def slug(self) -> str:
        """The last part of the type, such as `queue-full`."""
        return self.type.removeprefix(URN)


class Unreachable(MirageError):
    """The connection failed before the response was complete; `__cause__` is the error of httpx."""


class BadAnswer(MirageError):
    """A response that cannot be parsed or does not match the request."""


class DatasetError(MirageError):
    """The output cannot store or continue the requested dataset."""


class PictureError(MirageError):
    """A picture cannot be read or enlarged, or its output exists with other contents."""


class MissingPackage(MirageError):
    """The package that a command needs is not installed."""


class Locked(MirageError):
    """Another process is writing to the output."""
