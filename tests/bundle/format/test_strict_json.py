import pytest

from mirage.bundle.format.strict_json import parse_object


def test_parses_an_object() -> None:
    assert parse_object(b'{"a": [1, 2.5, null, "\xc3\xa9"]}') == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "Expecting value"),
        (b"[]", "an object is needed, not list"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": NaN}', "NaN is not allowed"),
        (b'{"a": -Infinity}', "-Infinity is not allowed"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b'{"b": {"a": 1, "a": 2}}', "a key stands twice"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "limit"),
    ],
)
def test_rejects_ambiguous_json(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_object(raw)
