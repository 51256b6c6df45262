"""How a client speaks with a server, without the speaking.

A talk is a generator: it yields what to send and how long to wait before, is sent what came of
it, and returns the result. The clients only carry it out, one on threads, one on an event loop.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import httpx

from mirage_client.answers import (
    IMAGES,
    Model,
    ModelDetail,
    read_images,
    read_model,
    read_models,
    read_refusal,
)
from mirage_client.errors import BadAnswer, MirageError, Refused, Unreachable
from mirage_client.image import GeneratedImage
from mirage_client.order import Order

T = TypeVar("T")

RETRIED = (429, 502, 503, 504)  # 502 and 504 are a proxy's way to say 503, or a passed deadline
LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException)
TOO_MANY = ("limit-exceeded", "body-too-large")  # refusals of a request that halves may pass
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0  # between attempts, when the server names no time


@dataclass(frozen=True)
class Request:
    """One request; sending it twice does no harm."""

    method: str
    path: str
    accept: str = "application/json"
    body: dict[str, object] | None = None


@dataclass(frozen=True)
class Ask:
    """A request to send, and the seconds to wait before."""

    request: Request
    pause_s: float


@dataclass(frozen=True)
class Patience:
    """How long a request is tried again: no attempt begins later than `seconds` after the first."""

    seconds: float
    clock: Callable[[], float] = time.monotonic


Outcome = httpx.Response | httpx.RequestError
Talk = Generator[Ask, Outcome, T]


def exchange(request: Request, patience: Patience) -> Talk[httpx.Response]:
    """Send a request until it is answered with success; raises Refused and Unreachable."""
    give_up = patience.clock() + patience.seconds
    attempt, pause_s = 0, 0.0
    while True:
        outcome = yield Ask(request, pause_s)
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        pause_s = _pause_s(outcome, attempt)
        if not _worth_trying(outcome, request) or patience.clock() + pause_s > give_up:
            raise _error(outcome, request)
        attempt += 1


def draw(order: Order, patience: Patience) -> Talk[list[GeneratedImage]]:
    """The images of an order, in halves when it is over the server's limits."""
    request = Request("POST", "/generate", IMAGES, order.body())
    try:
        response = yield from exchange(request, patience)
    except Refused as refusal:
        if refusal.slug not in TOO_MANY or order.count == 1:
            raise
        images = []
        for half in order.parts((order.count + 1) // 2):
            images += yield from draw(half, patience)
        return images
    return read_images(response, order)


def list_models(patience: Patience) -> Talk[list[Model]]:
    """The models of the server."""
    return read_models((yield from exchange(Request("GET", "/models"), patience)))


def describe(name: str, patience: Patience) -> Talk[ModelDetail]:
    """One model."""
    path = f"/models/{quote(name, safe='')}"
    return read_model((yield from exchange(Request("GET", path), patience)))


def _worth_trying(outcome: Outcome, request: Request) -> bool:
    """Images are worth reconnecting for; whoever looks a model up wants to know at once."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in RETRIED
    return isinstance(outcome, LOST) and request.method == "POST"


def _pause_s(outcome: Outcome, attempt: int) -> float:
    if isinstance(outcome, httpx.Response):
        told_s = read_refusal(outcome).retry_after_s
        if told_s is not None:
            return told_s
    return min(FIRST_PAUSE_S * 2.0**attempt, LONGEST_PAUSE_S)


def _error(outcome: Outcome, request: Request) -> MirageError:
    if isinstance(outcome, httpx.Response):
        return read_refusal(outcome)
    kind = BadAnswer if isinstance(outcome, httpx.DecodingError) else Unreachable
    error = kind(f"{request.method} {request.path} failed: {outcome or repr(outcome)}")
    error.__cause__ = outcome
    return error
