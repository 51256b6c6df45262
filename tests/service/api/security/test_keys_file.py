"""The file of API keys."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from mirage.service.api.security.auth import (
    MAX_BYTES,
    MAX_KEYS,
    Key,
    add_key,
    parse_keys,
    read_keys,
)
from mirage.service.errors import KeysError

DIGEST = "ab" * 32


def test_lines_are_names_hashes_and_limits() -> None:
    lines = f"# who has which\n\n ci {DIGEST}\nweb.page-2\t{DIGEST}  600 \r\n"
    assert parse_keys(lines.encode()) == (
        Key("ci", b"\xab" * 32),
        Key("web.page-2", b"\xab" * 32, 600),
    )


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_keys(b"\xef\xbb\xbf" + f"ci {DIGEST}\n".encode()) == (Key("ci", b"\xab" * 32),)


def test_no_keys_are_allowed_for_the_last_one_may_be_revoked() -> None:
    assert parse_keys(b"") == ()


@pytest.mark.parametrize(
    "line",
    [
        "somebody",
        "ci abc",
        f"ci {DIGEST} 0",
        f"ci {DIGEST} -5",
        f"ci {DIGEST} 5 5",
        f"c/i {DIGEST}",
        f"{'c' * 65} {DIGEST}",
        f"ci {DIGEST.upper()}",
        "\x00",
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_not_by_its_text(line: str) -> None:
    with pytest.raises(KeysError, match=r"^line 2 is not a name, 64 hex") as caught:
        parse_keys(f"ok {DIGEST}\n{line}\n".encode())
    assert line not in str(caught.value)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(KeysError, match="the name ci occurs in it twice"):
        parse_keys(f"ci {DIGEST}\nb {DIGEST}\nci {DIGEST}\n".encode())


def test_too_many_keys_are_refused() -> None:
    lines = "".join(f"k{number} {DIGEST}\n" for number in range(MAX_KEYS + 1))
    with pytest.raises(KeysError, match="it has 1001 keys; at most 1000 are allowed"):
        parse_keys(lines.encode())


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """A pipe too: opening one waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    for name, words in {
        "absent": "No such file",
        ".": "this is no file",
        "pipe": "this is no file",
        "large": "at most 262144 bytes",
    }.items():
        with pytest.raises(KeysError, match=f"^keys_file is .*; {words}"):
            read_keys(tmp_path / name)


def test_a_new_key_is_long_random_and_kept_as_its_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first, second = add_key(path, "ci"), add_key(path, "web")
    assert len(first) == len("mirage_") + 43
    assert first != second
    assert [key.name for key in read_keys(path)] == ["ci", "web"]
    assert read_keys(path)[0].digest == hashlib.sha256(first.encode()).digest()
    assert first not in path.read_text()


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "ci")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_key_goes_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"ci {DIGEST}")
    add_key(path, "web")
    assert [key.name for key in read_keys(path)] == ["ci", "web"]


def test_a_name_that_is_taken_or_not_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_key(path, "ci")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"name is 'ci'; .*keys has it already"):
        add_key(path, "ci")
    with pytest.raises(ValueError, match="name is 'c i'; 1 to 64 of"):
        add_key(path, "c i")
    assert path.read_bytes() == before


def test_nothing_is_added_to_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("broken\n")
    with pytest.raises(KeysError, match="line 1"):
        add_key(path, "ci")
    assert path.read_text() == "broken\n"
    with pytest.raises(KeysError, match="No such file"):
        add_key(tmp_path / "absent" / "keys", "ci")
