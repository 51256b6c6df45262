"""Every error that a client can meet, each with its HTTP status and its public slug; StartError.

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
├── 503 NotReady, Draining, EngineStuck, ModelRefused, MetricsUnavailable
└── 504 DeadlinePassed
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Self, TypedDict


class StartError(Exception):
    """The models that must serve do not; the message is for operators."""


class FieldError(TypedDict):
    """One bad field: where it stands, and what is wrong with it."""

    loc: list[str | int]
    msg: str


class ServiceError(Exception):
    """A refusal that the client is told of; `detail` must hold nothing internal.

    `retry_after_s` is when trying again may help, in seconds; `headers` go with every answer of
    the class.
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
    """The body, or a header, cannot be read at all."""

    status, slug, title = 400, "malformed-request", "The request cannot be read"


class MissingKey(ServiceError):
    """The path needs a key, and the request carries none."""

    status, slug, title = 401, "missing-key", "A key is needed"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class WrongKey(ServiceError):
    """The key is unknown, or no longer valid."""

    status, slug, title = 403, "wrong-key", "The key is not valid"


class NotFound(ServiceError):
    """No resource stands under this path."""

    status, slug, title = 404, "not-found", "There is nothing here"


class NoSuchModel(ServiceError):
    """The model or the version is not published, or nothing of it is released."""

    status, slug, title = 404, "no-such-model", "There is no such model"


class MethodNotAllowed(ServiceError):
    """The path does not take this method."""

    status, slug, title = 405, "method-not-allowed", "The path does not take this method"


class NotAcceptable(ServiceError):
    """No type that the client accepts can hold the answer."""

    status, slug, title = 406, "not-acceptable", "No acceptable type can hold the answer"


class RequestTimeout(ServiceError):
    """The request did not arrive in time."""

    status, slug, title = 408, "request-timeout", "The request did not arrive in time"


class HeadTooLarge(ServiceError):
    """The target and the headers have more bytes than are allowed."""

    status, slug, title = 431, "head-too-large", "The head of the request is too large"


class BodyTooLarge(ServiceError):
    """The body has more bytes than the settings allow."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedBody(ServiceError):
    """The body is of a type that the path does not take."""

    status, slug, title = 415, "unsupported-body-type", "The body type is not supported"


class InvalidValue(ServiceError):
    """A field has the wrong type or a value that is not allowed."""

    status, slug, title = 422, "invalid-value", "A value is not allowed"

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """The error of a single field."""
        return cls(message, errors=[{"loc": [field], "msg": message}])


class LimitExceeded(InvalidValue):
    """The request asks for more than a limit of the settings."""

    slug, title = "limit-exceeded", "The request is over a limit"


class Overloaded(ServiceError):
    """As many images wait as may wait."""

    status, slug, title = 429, "queue-full", "The queue is full"


class RateLimited(ServiceError):
    """The caller has had the images that a minute allows."""

    status, slug, title = 429, "rate-limited", "Too many images in a minute"


class DeadlineUnreachable(ServiceError):
    """The deadline cannot be met, by what batches have cost so far."""

    status, slug, title = 429, "deadline-unreachable", "The deadline cannot be met"


class InternalError(ServiceError):
    """A fault of the service; its particulars stand in the log alone."""

    status, slug, title = 500, "internal-error", "The service failed"


class NotReady(ServiceError):
    """The models are not loaded yet."""

    status, slug, title = 503, "not-ready", "The service is not ready"


class Draining(ServiceError):
    """The service is stopping."""

    status, slug, title = 503, "draining", "The service is stopping"


class EngineStuck(ServiceError):
    """A run of an engine does not end."""

    status, slug, title = 503, "engine-stuck", "The engine hangs"


class ModelRefused(ServiceError):
    """The version is published, but did not pass verification; names the reason's slug."""

    status, slug, title = 503, "model-refused", "The model did not pass verification"


class MetricsUnavailable(ServiceError):
    """The metrics of all workers together cannot be read, and those of one would be misleading."""

    status, slug, title = 503, "metrics-unavailable", "The metrics cannot be read"


class DeadlinePassed(ServiceError):
    """The deadline passed before the images were there."""

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
    Draining,
    EngineStuck,
    ModelRefused,
    MetricsUnavailable,
    DeadlinePassed,
)


class KeysError(Exception):
    """The file of keys cannot be used; the message is for operators."""
