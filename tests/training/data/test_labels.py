import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.training.data.labels import match_labels, number_classes, read_labels
from mirage.training.errors import DataError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dataset.json", '{"labels": [["a.png", "cat"], ["b/c.png", "7"]]}'),
        ("dataset.json", '{"labels": {"a.png": "cat", "b/c.png": 7}}'),
        ("labels.csv", "a.png,cat\nb/c.png,7\n"),
        ("labels.csv", "\ufefffile,label\r\na.png, cat\r\n\r\nb/c.png,7\r\n"),
        ("labels.txt", 'name,class\n"a.png",cat\n"b/c.png","7"'),
    ],
)
def test_reads_json_and_csv(name: str, text: str) -> None:
    assert read_labels(name, text.encode()) == {"a.png": "cat", "b/c.png": "7"}


def test_a_file_may_declare_that_there_are_no_labels() -> None:
    assert read_labels("dataset.json", b'{"labels": null}') is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"{", "cannot be used: Expecting property name"),
        ("a.json", b"[]", r'expected {"labels": \[\[name, label\]'),
        ("a.json", b'{"labels": 3}', "expected"),
        ("a.json", b'{"labels": ["a"]}', "entry 1 is a; expected a name and a label"),
        ("a.json", b'{"labels": [["a", [0, 1]]]}', r"a has the label \[0, 1\]"),
        ("a.json", b'{"labels": [["a", true]]}', "a has the label True"),
        ("a.json", b'{"labels": [["a", ""]]}', "a has the label ;"),
        ("a.csv", b"a,0\na,1\n", "a has two labels, 0 and 1"),
        ("a.csv", b"a,0\nb\n", r"entry 2 is \['b'\]"),
        ("a.csv", b"a|0\n", "entry 1"),
        ("a.csv", b'"a,0', "unexpected end of data"),
        ("a.csv", b"\xff", "it is not UTF-8"),
        ("a.json", b"[" * 100_000, "cannot be used"),
    ],
)
def test_names_the_fault_of_a_file(name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_labels(name, content)


def test_images_and_labels_must_match() -> None:
    labels = {"a": "x", "b": "y"}
    assert match_labels(labels, ["b", "a"], "f.csv") == ["y", "x"]
    with pytest.raises(DataError, match=r"f.csv names 1 image \(b\) that --data does not contain"):
        match_labels(labels, ["a"], "f.csv")
    with pytest.raises(
        DataError, match=r"lacks 4 images \(c, d, e and 1 more\) that --data contains"
    ):
        match_labels(labels, ["a", "b", *"cdef"], "f.csv")


def test_classes_are_sorted_by_code_points() -> None:
    labels, classes = number_classes(["9", "10", "a", "Z", "9"])
    assert classes == ["10", "9", "Z", "a"]
    assert labels.tolist() == [1, 0, 3, 2, 1]


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "2", "0"], ["0", "2", "9", "10"]),
        (["5", "-1", "0", "-10"], ["-10", "-1", "0", "5"]),
        (["2", "1", "01", "10"], ["01", "1", "2", "10"]),
        (["1" * 201, "2"], ["1" * 201, "2"]),  # longer than any class name
        (["10", "9", "\u0662"], ["10", "9", "\u0662"]),  # other digits are text
    ],
)
def test_classes_that_are_all_integers_are_sorted_by_value(
    names: list[str], ordered: list[str]
) -> None:
    labels, classes = number_classes(names)
    assert classes == ordered
    assert [classes[label] for label in labels] == names


@given(content=st.binary(max_size=64), name=st.sampled_from(["a.json", "a.csv"]))
def test_any_bytes_give_labels_or_a_data_error(content: bytes, name: str) -> None:
    with contextlib.suppress(DataError):
        labels = read_labels(name, content)
        assert labels is None or all(labels.values())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(content=values)
def test_any_json_gives_labels_or_a_data_error(content: object) -> None:
    with contextlib.suppress(DataError):
        labels = read_labels("a.json", json.dumps({"labels": content}).encode())
        assert labels is None or all(isinstance(label, str) for label in labels.values())
