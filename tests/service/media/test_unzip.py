"""Archives that clients send, as far as no picture is needed to tell."""

import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.service.errors import BodyTooLarge, InvalidValue, LimitExceeded, Malformed, ServiceError
from mirage.service.media.unzip import Unzip, check_name, enlarged_name
from tests.service.helpers.pictures import zipped

LZMA = zipfile.ZIP_LZMA


def opened(body: bytes, entries: int = 4, size: int = 100) -> Unzip:
    return Unzip(body, entries, size)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_are_read_in_order_and_folders_passed_over(method: int) -> None:
    archive = opened(zipped({"b/": b"", "b/a.png": b"one", "a.png": b"two"}, method))
    assert list(archive.names()) == ["b/a.png", "a.png"]
    assert [archive.read(number) for number in range(len(archive))] == [b"one", b"two"]
    archive.close()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Malformed),
        (b"PK", Malformed),
        (zipped({"a": b""})[:-1], Malformed),
        (zipped({}), InvalidValue),
        (zipped({f"{n}": b"" for n in range(5)}), LimitExceeded),
        (zipped({f"{n}": b"" for n in range(50)}), LimitExceeded),
        (zipped({"a": bytes(60), "b": bytes(60)}), BodyTooLarge),
    ],
)
def test_what_is_no_archive_or_too_much_is_refused(body: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        opened(body)


def test_other_methods_of_compression_are_told() -> None:
    archive = opened(zipped({"a": b"one"}, LZMA))
    with pytest.raises(Malformed, match="method 14; stored and deflated"):
        archive.read(0)
    archive.close()


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_no_damage_breaks_it(body: bytes, place: int, value: int) -> None:
    damaged = bytearray(zipped({"a": body, "b": b"two"}, zipfile.ZIP_DEFLATED))
    damaged[place % len(damaged)] = value
    try:
        archive = opened(bytes(damaged))
        for number in range(len(archive)):
            assert len(archive.read(number)) <= 100
    except ServiceError:
        return
    archive.close()


@pytest.mark.parametrize("name", ["a.png", "b c/ä.jpg", ".hidden", "a..b.png"])
def test_plain_names_are_taken(name: str) -> None:
    assert check_name(name) == name


def test_larger_pictures_have_names_of_their_own() -> None:
    taken: set[str] = set()
    for name, renamed in (
        ("b/a.jpg", "b/a.png"),
        ("b/a.png", "b/a.png.png"),
        ("b/a.webp", "b/a.webp.png"),
        ("a", "a.png"),
        ("b/a.png", "b/a.png.2.png"),
    ):
        assert enlarged_name(name, taken) == renamed
        taken.add(renamed)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a"])
def test_entries_with_equal_names_are_numbered(name: str) -> None:
    taken = {"errors.json", "a.png.png"}
    for _ in range(256):
        taken.add(enlarged_name(name, taken))
    assert len(taken) == 258
    assert max(map(len, taken)) <= len("a.png.256.png")
