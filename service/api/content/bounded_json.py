"""Reads JSON that clients send: bounds first, then values. It knows no fields."""

import codecs
from typing import Any

from pydantic_core import from_json

from mirage.service.errors import BodyTooLarge, LimitExceeded, Malformed
from mirage.service.settings import Settings

MARKS = b",:[]{}"  # no text has more values than such characters, but for a single value


def read_json(text: bytes, settings: Settings, instead: str) -> Any:
    """The value of JSON text; a byte order mark before it is skipped.

    `instead` tells what to send when the text is too large.
    Raises BodyTooLarge, LimitExceeded for more values than the settings allow, Malformed.
    """
    if len(text) > settings.json_bytes:
        raise BodyTooLarge(
            f"the JSON has {len(text)} bytes; at most {settings.json_bytes} are allowed; {instead}"
        )
    text = text.removeprefix(codecs.BOM_UTF8)
    _check_items(text, settings.json_items)
    try:
        # Values are not cached: each would cost a look-up, and few come again.
        return from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def _check_items(text: bytes, most: int) -> None:
    """Raise LimitExceeded for more values than may be parsed, in a single pass over the bytes.

    Marks within strings count too, which is no matter: the limit is far from what anyone sends.
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
