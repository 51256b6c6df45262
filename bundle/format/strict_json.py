"""Strict JSON parsing: rejects input that different parsers may read differently."""

import json
from typing import Any

from pydantic import ValidationError


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises ValueError for anything but UTF-8, for NaN and Infinity, duplicate keys and nesting
    beyond the recursion limit.
    """
    try:
        parsed = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"an object is needed, not {type(parsed).__name__}")
    return parsed


def describe_faults(error: ValidationError) -> str:
    """The first three validation errors on one line, each with its field and value."""
    faults = [
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
        f" (is {fault['input']!r:.80})"
        for fault in error.errors(include_url=False)[:3]
    ]
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more else "")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not allowed in JSON")
