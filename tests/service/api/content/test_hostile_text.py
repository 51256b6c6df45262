"""Long texts that clients send are read in time that grows with their length alone."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_versions, model_path
from mirage.service.api.admission.route_deadline import allowed_s
from mirage.service.api.content.negotiation import choose_frames_type, choose_type
from mirage.service.api.content.request_body import OCTETS, parse_input, parse_query
from mirage.service.api.openinference.codec import parse_request, response_encoding
from mirage.service.api.security.auth import parse_keys
from mirage.service.errors import KeysError, ServiceError
from mirage.service.settings import Settings
from mirage.service.tasks.requests import GenerateRequest
from mirage.service.telemetry.logging import _word, request_id

LENGTH = 2**16  # of all headers together, at most
MAX_S = 0.25  # of CPU time; a pattern that goes back and forth would take hours
SETTINGS = Settings()
# Where parts of a pattern overlap, and the end does not match.
PIECES = (
    *("1", "1.", "1e", "-", ".", "0:1,", "0:111111111111,", "1,", "a", "A-", " ", "\t", "a b "),
    *(";", ",", "; q=", ";q=1", "*/*,", "image/png;", "*", "/", "..", "\\", "é", "\x00", '"'),
)


def query(name: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        return parse_input(OCTETS, b"\0" * 4, [(name, text)], SETTINGS)

    return read


def header(read: Callable[[Mapping[str, str]], object], name: str) -> Callable[[str], object]:
    return lambda text: read({name: text})


READERS: dict[str, Callable[[str], Any]] = {
    **{f"query {name}": query(name) for name in GenerateRequest.model_fields},
    "query": lambda text: parse_query(text.encode("latin-1")),
    "direction": lambda text: GenerateRequest.model_validate({"directions": {text: 1}}),
    "seed": lambda text: GenerateRequest.model_validate({"seed": text}),
    "accept": lambda text: choose_type(text, 1, None),
    "accept of frames": choose_frames_type,
    "accept-encoding": response_encoding,
    "x-deadline-ms": header(lambda headers: allowed_s(headers, 30), "x-deadline-ms"),
    "x-request-id": header(request_id, "x-request-id"),
    "inference-header-content-length": lambda text: parse_request(b"{}", text, SETTINGS),
    "path": _word,
    "model name": lambda text: model_path(Path("models"), text),
    "versions of a model": lambda text: list_versions(Path("absent"), text),
    "keys file": lambda text: parse_keys(text.encode()),
}


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("reader", READERS)
def test_long_text_is_read_or_refused_soon(reader: str, piece: str) -> None:
    for end in ("", "!", "\n"):
        text = piece * (LENGTH // len(piece)) + end
        # The quickest of three: what else runs in the process counts too.
        assert min(_seconds(READERS[reader], text) for _ in range(3)) < MAX_S


def _seconds(read: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    with contextlib.suppress(ServiceError, BundleError, KeysError, ValueError):
        read(text)
    return time.process_time() - started


@pytest.mark.parametrize("digits", [12, 40, 41, 1000])
def test_amounts_that_are_cut_off_are_refused_whatever_their_length(digits: int) -> None:
    """The text that once held a worker for seconds, twelve times as long for each pair more."""
    text = ",".join(f"{n}:{'1' * digits}" for n in range(60)) + ":"
    with pytest.raises(ServiceError, match="a query has index:amount for each"):
        parse_input(OCTETS, b"\0" * 4, [("directions", text)], SETTINGS)
