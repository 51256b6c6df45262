import json

import pytest

from mirage.training.data.labels import found_labels, match_labels, read_labels
from mirage.training.errors import DataError

READ = {"a.png": "cat", "b.png": "dog"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "file,target\na.png,cat\nb.png,dog\n"),
        ("labels.csv", "photo,animal\na.png,cat\nb.png,dog\n"),
        ("labels.csv", "id,class,file\n1,cat,a.png\n2,dog,b.png\n"),
        ("labels.csv", "id,breed\na,cat\nb,dog\n"),
        ("labels.csv", "image_id,x,class\na.png,1,cat\nb.png,2,dog\n"),
        ("labels.csv", "label,file_name\ncat,a.png\ndog,./b.png\n"),
        ("labels.csv", "filename,cat,dog\na.png,1,0\nb.png,0,1\n"),
        ("labels.jsonl", '{"file_name": "a.png", "label": "cat"}\n\n{"label": "dog", "file": 1,'
         ' "file_name": "b.png"}\n'),
        ("metadata.csv", "file_name,class,text\na.png,cat,one\nb.png,dog,two\n"),
        ("labels.csv", "Datei;Klasse\r\na.png;cat\r\nb.png;dog\r\n"),
        ("labels.csv", "a.png;cat\nb.png;dog\n"),
        ("labels.tsv", "file\tlabel\na.png\tcat\nb.png\tdog\n"),
        ("labels.csv", "file;label;text\na.png;cat;one, two\nb.png;dog;three\n"),
    ],
)  # fmt: skip
def test_finds_the_columns_of_names_and_labels(name: str, text: str) -> None:
    named = read_labels(name, text.encode()) or {}
    assert {f"{name.removesuffix('.png')}.png": label for name, label in named.items()} == READ


@pytest.mark.parametrize("inside", ["\u2028", "\u0085"])
def test_json_lines_end_only_at_line_feeds(inside: str) -> None:
    rows = [{"file_name": "a.png", "label": "cat", "text": f"one{inside}two"}]
    rows.append({"file_name": "b.png", "label": "dog", "text": ""})
    for end in ("\n", "\r\n"):
        text = end.join(json.dumps(row, ensure_ascii=False) for row in rows)
        assert read_labels("metadata.jsonl", text.encode()) == READ
    table = f"file_name,label,text\na.png,cat,one{inside}two\nb.png,dog,x\n"
    assert read_labels("metadata.csv", table.encode()) == READ


def test_reads_utf16_as_excel_writes_it() -> None:
    assert read_labels("labels.txt", "file\tlabel\r\na.png\tsüd\r\n".encode("utf-16")) == {
        "a.png": "süd"
    }


def test_a_comma_in_a_name_is_no_separator_of_semicolons() -> None:
    assert read_labels("a.csv", b"a.png;red, blue\nb.png;green\n") == {
        "a.png": "red, blue",
        "b.png": "green",
    }


def test_says_how_to_save_a_table_in_another_encoding() -> None:
    with pytest.raises(DataError, match="it is not UTF-8 at byte 7; save it as UTF-8"):
        read_labels("a.csv", "a.png,süd\n".encode("latin-1"))


def test_the_first_line_is_a_header_only_if_it_names_no_image() -> None:
    assert read_labels("a.csv", b"a.png,class\nb.png,other\n") == {
        "a.png": "class",
        "b.png": "other",
    }


def test_reads_numbers_as_pandas_writes_them() -> None:
    assert read_labels("a.csv", b"a.png,0.0\nb.png,12.00\n") == {"a.png": "0", "b.png": "12"}
    assert read_labels("a.csv", b"a.png,0.0\nb.png,1.5\n") == {"a.png": "0.0", "b.png": "1.5"}
    assert read_labels("a.json", b'{"labels": {"a.png": 3.0}}') == {"a.png": "3"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,class,label\na.png,1,2\n", r"several columns may be the label \(class, label\)"),
        ("file,x,y\na.png,1,2\nb.png,3,4\n", r"no column is the label \(x, y\); call one of them"),
        ("x,label,y\na.png,1,2\n", "none of its columns x, label, y has file names; call it file"),
        ("file,label,y\na.png,1\n", "has 2 columns, not 3"),
    ],
)
def test_names_the_fault_of_a_table(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_labels("labels.csv", text.encode())


def test_captions_are_no_classes() -> None:
    text = b"file_name,text\n" + b"".join(b"%d.png,caption %d\n" % (n, n) for n in range(9))
    assert found_labels("metadata.csv", text)[0] is None
    text = b"file_name,kind\n" + b"".join(b"%d.png,kind %d\n" % (n, n % 2) for n in range(9))
    assert len(found_labels("metadata.csv", text)[0] or ()) == 9


@pytest.mark.parametrize(
    "spelling",
    [
        *("archive/train/{name}", "train/{name}", "{name}", "./{name}", "{backslashes}"),
        *("{file}", "{bare}", "{bare_file}"),
    ],
)
def test_images_may_be_named_with_or_without_folders_and_suffixes(spelling: str) -> None:
    text = ""
    for number, name in enumerate(("x/café 1.png", "y/2.png")):
        file, bare = name.rpartition("/")[2], name.removesuffix(".png")
        backslashes, bare_file = name.replace("/", "\\"), file.removesuffix(".png")
        called = spelling.format(
            name=name, file=file, bare=bare, backslashes=backslashes, bare_file=bare_file
        )
        text += f"{called},{number}\n"
    labels = read_labels("a.csv", text.encode()) or {}
    decomposed = ["x/cafe\u0301 1.png", "y/2.png"]
    assert match_labels(labels, decomposed, "a.csv", "archive/train/") == ["0", "1"]


def test_images_of_other_splits_may_be_named_too() -> None:
    labels = {"train/1.png": "a", "test/1.png": "b"}
    prefixes = ("data/train/", ("data/test/",))
    assert match_labels(labels, ["1.png"], "a.csv", *prefixes) == ["a"]
    with pytest.raises(DataError, match=r"names 1 image \(val/1.png\)"):
        match_labels(labels | {"val/1.png": "c"}, ["1.png"], "a.csv", *prefixes)
