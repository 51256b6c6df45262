"""The errors that clients see, with HTTP status and slug, and those that operators see.

ServiceError
├── 400 Malformed
├── 401 MissingKey
├── 403 WrongKey
├── 404 NotFound, NoSuchModel
├── 405 MethodNotAllowed
├── 406 NotAcceptable
├── 408 RequestTimeout
├── 413 BodyTooLarge
├── 415 UnsupportedBody
├── 422 InvalidValue, LimitExceeded
├── 431 HeadTooLarge
├── 429 Overloaded, RateLimited, DeadlineUnreachable
├── 500 InternalError
├── 503 NotReady, NoReleasedModel, Draining, EngineStuck, ModelRefused, MetricsUnavailable
└── 504 DeadlinePassed
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Self, TypedDict


class StartError(Exception):
    """The service cannot start, because a model cannot be served. The message is for operators."""


class KeysError(Exception):
    """The file of API keys cannot be used. The message is for operators."""


class FieldError(TypedDict):
    """An invalid field: its location, and what is wrong with it."""

    loc: list[str | int]
    msg: str


class ServiceError(Exception):
    """An error that the client sees. `detail` must not contain anything internal.

    `retry_after_s` is how many seconds to wait before a retry may succeed. `headers` are added to
    every response of the class.
    """

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.retry_after_s = retry_after_s


class Malformed(ServiceError):
    """The body or a header cannot be parsed."""

    status, slug, title = 400, "malformed-request", "The request cannot be read"


class MissingKey(ServiceError):
    """The path requires an API key, and the request has none."""

    status, slug, title = 401, "missing-key", "An API key is required"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class WrongKey(ServiceError):
    """The API key is unknown or no longer valid."""

    status, slug, title = 403, "wrong-key", "The API key is not valid"


class NotFound(ServiceError):
    """There is no resource under this path."""

    status, slug, title = 404, "not-found", "There is no such resource"


class NoSuchModel(ServiceError):
    """The model or version is not published, or the model has no release."""

    status, slug, title = 404, "no-such-model", "There is no such model"


class MethodNotAllowed(ServiceError):
    """The path does not support this method."""

    status, slug, title = 405, "method-not-allowed", "The path does not support this method"


class NotAcceptable(ServiceError):
    """The response is not available in a media type that the client accepts."""

    status, slug, title = (
        406,
        "not-acceptable",
        "The response is not available in an accepted media type",
    )


class RequestTimeout(ServiceError):
    """The request did not arrive in time."""

    status, slug, title = 408, "request-timeout", "The request did not arrive in time"


class HeadTooLarge(ServiceError):
    """The request target and headers have more bytes than allowed."""

    status, slug, title = 431, "head-too-large", "The head of the request is too large"


class BodyTooLarge(ServiceError):
    """The body has more bytes than allowed."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedBody(ServiceError):
    """The path does not support the media type of the body."""

    status, slug, title = (
        415,
        "unsupported-body-type",
        "The media type of the body is not supported",
    )


class InvalidValue(ServiceError):
    """A field has the wrong type or a value that is not allowed."""

    status, slug, title = 422, "invalid-value", "A value is not allowed"

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """Return the error of a single field."""
        return cls(message, errors=[{"loc": [field], "msg": message}])


class LimitExceeded(InvalidValue):
    """The request exceeds a limit of the settings."""

    slug, title = "limit-exceeded", "The request exceeds a limit"


class Overloaded(ServiceError):
    """The queue has no room for the images of the request."""

    status, slug, title = 429, "queue-full", "The queue is full"


class RateLimited(ServiceError):
    """The caller has used its images per minute."""

    status, slug, title = 429, "rate-limited", "Too many images per minute"


class DeadlineUnreachable(ServiceError):
    """The deadline is shorter than the estimated time to make the images."""

    status, slug, title = 429, "deadline-unreachable", "The deadline cannot be met"


class InternalError(ServiceError):
    """The service has failed. Details are only in the log."""

    status, slug, title = 500, "internal-error", "The service failed"


class NotReady(ServiceError):
    """The models are not loaded yet."""

    status, slug, title = 503, "not-ready", "The service is not ready"


class NoReleasedModel(ServiceError):
    """The folder of models has no released version."""

    status, slug, title = 503, "no-model", "No model is released"


class Draining(ServiceError):
    """The service is stopping."""

    status, slug, title = 503, "draining", "The service is stopping"


class EngineStuck(ServiceError):
    """An engine call does not return."""

    status, slug, title = 503, "engine-stuck", "The engine hangs"


class ModelRefused(ServiceError):
    """The version is published but failed verification. `detail` contains the reason's slug."""

    status, slug, title = 503, "model-refused", "The model did not pass verification"


class MetricsUnavailable(ServiceError):
    """The metrics of all workers cannot be read. Those of one worker would be misleading."""

    status, slug, title = 503, "metrics-unavailable", "The metrics cannot be read"


class DeadlinePassed(ServiceError):
    """The deadline passed before the images were made."""

    status, slug, title = 504, "deadline-passed", "The deadline passed"


PROBLEMS: tuple[type[ServiceError], ...] = (
    Malformed,
    MissingKey,
    WrongKey,
    NotFound,
    NoSuchModel,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    BodyTooLarge,
    HeadTooLarge,
    UnsupportedBody,
    InvalidValue,
    LimitExceeded,
    Overloaded,
    RateLimited,
    DeadlineUnreachable,
    InternalError,
    NotReady,
    NoReleasedModel,
    Draining,
    EngineStuck,
    ModelRefused,
    MetricsUnavailable,
    DeadlinePassed,
)
