"""Every error that a caller can meet.

MirageError
├── Refused          the server answered with a problem
├── Unreachable      no answer came
├── BadAnswer        the answer is not one that a Mirage server gives
├── DatasetError     what lies in the output is of another dataset, or cannot be added to
└── Locked           another process writes to the output
"""

from collections.abc import Mapping, Sequence
from typing import Any

URN = "urn:mirage:"


class MirageError(Exception):
    """Whatever keeps images from being drawn."""


class Refused(MirageError):
    """The server's own words about why it refuses (RFC 9457).

    `errors` are the bad fields as `{"loc": [...], "msg": "..."}`; `retry_after_s` is when trying
    again may help, in seconds, or None when the server does not say.
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
        """The last word of the type, such as `queue-full`."""
        return self.type.removeprefix(URN)


class Unreachable(MirageError):
    """No connection, or none that lasted until the answer; the cause is httpx's error."""


class BadAnswer(MirageError):
    """An answer that contradicts what was asked for, or cannot be read."""


class DatasetError(MirageError):
    """The output cannot hold, or go on with, the dataset that is asked for."""


class Locked(MirageError):
    """Another process is writing to the output."""
