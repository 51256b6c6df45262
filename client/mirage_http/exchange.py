"""The protocol between client and server, without I/O.

An exchange is a generator. It yields attempts, each a request and a pause before it, receives the
response or the error, and returns the result. The synchronous and the asyncio client run it.
"""

import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import httpx

from .edit_call import EditCall
from .errors import BadAnswer, MirageError, Refused, Unreachable
from .generate_call import GenerateCall
from .image import (
    EditedPicture,
    Interpolated,
    InterpolatedFrame,
    Upscaled,
    UpscaledPicture,
)
from .interpolate_call import InterpolateCall
from .item import GeneratedFile
from .responses import (
    PARTS,
    PNG_END,
    PNG_SIGNATURE,
    Model,
    ModelDetail,
    check_png,
    read_files,
    read_frames,
    read_interpolated,
    read_inverted,
    read_model,
    read_models,
    read_problem,
    read_upscaled,
)
from .upscale_call import UpscaleCall

T = TypeVar("T")

RETRIED_STATUSES = (429, 502, 503, 504)  # proxies send 502 and 504
RETRIED_ERRORS = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException)
TOO_LARGE = ("limit-exceeded", "body-too-large")  # errors that splitting the request may avoid
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0  # exponential backoff


@dataclass(frozen=True)
class Request:
    """An idempotent request."""

    method: str
    path: str
    accept: str = "application/json"
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] | bytes | None = None
    output: BinaryIO | None = None  # receives the body of a successful response


@dataclass(frozen=True)
class Attempt:
    """A request to send after a pause in seconds."""

    request: Request
    pause_s: float


@dataclass(frozen=True)
class Patience:
    """The retry limit: no attempt starts later than `seconds` after the first."""

    seconds: float
    clock: Callable[[], float] = time.monotonic


Outcome = httpx.Response | httpx.RequestError
Exchange = Generator[Attempt, Outcome, T]


def send_with_retries(request: Request, patience: Patience) -> Exchange[httpx.Response]:
    """Send a request and retry it until it succeeds; raises Refused, Unreachable or BadAnswer."""
    deadline = patience.clock() + patience.seconds
    failures, pause_s = 0, 0.0
    while True:
        outcome = yield Attempt(request, pause_s)
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        pause_s = _pause_s(outcome, failures)
        if not _is_retryable(outcome, request) or patience.clock() + pause_s > deadline:
            raise _error(outcome, request)
        failures += 1


def generate_files(call: GenerateCall, patience: Patience) -> Exchange[list[GeneratedFile]]:
    """Generate the files of a call; splits it in halves if it exceeds the server's limits."""
    request = Request("POST", "/generate", PARTS, body=call.body())
    try:
        response = yield from send_with_retries(request, patience)
    except Refused as error:
        if error.slug not in TOO_LARGE or call.count == 1:
            raise
        files = []
        for half in call.parts((call.count + 1) // 2):
            files += yield from generate_files(half, patience)
        return files
    return read_files(response, call)


def upscale_picture(call: UpscaleCall, patience: Patience) -> Exchange[UpscaledPicture]:
    """Enlarge or translate a picture in memory."""
    response = yield from send_with_retries(_upscale_request(call), patience)
    check_png(response.content, response.content)
    return UpscaledPicture(png=response.content, **vars(read_upscaled(response)))


def upscale_to_file(call: UpscaleCall, output: BinaryIO, patience: Patience) -> Exchange[Upscaled]:
    """Like `upscale_picture`, into a file that can be read; failed attempts are overwritten."""
    response = yield from send_with_retries(_upscale_request(call, output), patience)
    check_png(*_both_ends(output))
    return read_upscaled(response)


def edit_picture(call: EditCall, patience: Patience) -> Exchange[EditedPicture]:
    """Invert a picture, and draw it moved along the call's directions."""
    invert = Request("POST", "/invert", query=call.query(), body=call.picture)
    inverted = read_inverted((yield from send_with_retries(invert, patience)))
    draw = Request("POST", "/generate", "image/png", body=call.body(inverted))
    png = (yield from send_with_retries(draw, patience)).content
    check_png(png, png)
    (latents,) = inverted["latents"]
    return EditedPicture(png=png, **inverted | {"latents": tuple(latents)})


def interpolate_frames(
    call: InterpolateCall, patience: Patience
) -> Exchange[list[InterpolatedFrame]]:
    """Make frames in memory."""
    return read_frames((yield from send_with_retries(_interpolate_request(call), patience)), call)


def interpolate_to_file(
    call: InterpolateCall, output: BinaryIO, patience: Patience
) -> Exchange[Interpolated]:
    """Write frames to a file; failed attempts are overwritten."""
    response = yield from send_with_retries(_interpolate_request(call, output), patience)
    return read_interpolated(response, call)


def list_models(patience: Patience) -> Exchange[list[Model]]:
    """List the models of the server."""
    return read_models((yield from send_with_retries(Request("GET", "/models"), patience)))


def describe_model(name: str, patience: Patience) -> Exchange[ModelDetail]:
    """Describe one model."""
    path = f"/models/{quote(name, safe='')}"
    return read_model((yield from send_with_retries(Request("GET", path), patience)))


def _upscale_request(call: UpscaleCall, output: BinaryIO | None = None) -> Request:
    return Request("POST", f"/{call.task}", "image/png", call.query(), call.picture, output)


def _interpolate_request(call: InterpolateCall, output: BinaryIO | None = None) -> Request:
    return Request("POST", "/interpolate", call.media_type, body=call.body, output=output)


def _both_ends(file: BinaryIO) -> tuple[bytes, bytes]:
    """The first and last bytes of a file."""
    file.seek(0)
    start = file.read(len(PNG_SIGNATURE))
    file.seek(-min(len(PNG_END), file.seek(0, os.SEEK_END)), os.SEEK_END)
    return start, file.read()


def _is_retryable(outcome: Outcome, request: Request) -> bool:
    """Whether to retry; lost connections are retried only for requests that make images."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in RETRIED_STATUSES
    return isinstance(outcome, RETRIED_ERRORS) and request.method == "POST"


def _pause_s(outcome: Outcome, failures: int) -> float:
    """The backoff, or Retry-After if that is longer: a server that says 0 is not hammered."""
    backoff_s = min(FIRST_PAUSE_S * 2.0**failures, LONGEST_PAUSE_S)
    if isinstance(outcome, httpx.Response):
        return max(backoff_s, read_problem(outcome).retry_after_s or 0.0)
    return backoff_s


def _error(outcome: Outcome, request: Request) -> MirageError:
    if isinstance(outcome, httpx.Response):
        return read_problem(outcome)
    error_type = BadAnswer if isinstance(outcome, httpx.DecodingError) else Unreachable
    error = error_type(f"{request.method} {request.path} failed: {outcome or repr(outcome)}")
    error.__cause__ = outcome
    return error
