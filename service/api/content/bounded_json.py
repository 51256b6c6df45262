"""Parses JSON from clients, after its size and number of values are checked."""

import codecs
from typing import Any

from pydantic_core import from_json

from mirage.service.errors import BodyTooLarge, LimitExceeded, Malformed
from mirage.service.settings import Settings

MARKS = b",:[]{}"  # a text has at most one more value than such characters


def read_json(text: bytes, settings: Settings, instead: str) -> Any:
    """Parse JSON; a byte order mark is skipped.

    `instead` says what to send if the text is too large. Raises BodyTooLarge, Malformed, and
    LimitExceeded for more values than the settings allow.
    """
    if len(text) > settings.json_bytes:
        raise BodyTooLarge(
            f"the JSON has {len(text)} bytes; at most {settings.json_bytes} are allowed; {instead}"
        )
    text = text.removeprefix(codecs.BOM_UTF8)
    _check_items(text, settings.json_items)
    try:
        # Caching values would cost a lookup for each, and few repeat.
        return from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def _check_items(text: bytes, most: int) -> None:
    """Raise LimitExceeded for more values than may be parsed, in a single pass over the bytes.

    Marks within strings count too; the limit is far above real requests.
    """
    if len(text) <= most:
        return
    marks = len(text) - len(text.translate(None, MARKS))
    if marks > most:
        message = (
            f"the JSON has {marks} commas, colons and brackets; at most {most} are allowed;"
            " latents as .npy or octets have no such limit"
        )
        raise LimitExceeded(message)
