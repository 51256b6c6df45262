import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.arrays import open_npy, open_npz, read_idx
from mirage.training.errors import DataError
from tests.training.helpers.datasets import shapes, write_idx

IMAGES, LABELS = shapes(20)
COLOURED, _ = shapes(20, channels=3)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0], COLOURED])
def test_reads_images_without_classes_from_npy(tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "images.npy", images)
    data = load_dataset(tmp_path / "images.npy", cache=tmp_path)
    np.testing.assert_array_equal(data.images, images.reshape(*images.shape[:3], -1))
    assert data.labels is None


@pytest.mark.parametrize(
    "names",
    [("images", "labels"), ("x_train", "y_train"), ("arr_0", "arr_1"), ("train_images", "")],
)
def test_reads_images_and_optional_labels_from_npz(tmp_path: Path, names: tuple[str, str]) -> None:
    arrays = {names[0]: COLOURED} | ({names[1]: LABELS} if names[1] else {})
    np.savez_compressed(tmp_path / "data.npz", **arrays)
    data = load_dataset(tmp_path / "data.npz", cache=tmp_path)
    np.testing.assert_array_equal(data.images, COLOURED)
    assert data.classes == (("0", "1") if names[1] else ())


def test_reads_both_splits_from_npz(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "data.npz",
        **{
            "x_train": IMAGES,
            "y_train": LABELS[:, None],
            "x_test": IMAGES[:4],
            "y_test": LABELS[:4],
        },
    )
    train, test = (
        load_dataset(tmp_path / "data.npz", s, cache=tmp_path) for s in ("train", "test")
    )
    assert (len(train), len(test)) == (20, 4)
    assert test.labels.tolist() == LABELS[:4].tolist()


def test_labels_may_be_strings(tmp_path: Path) -> None:
    names = np.array(["left", "right"])[LABELS]
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=names)
    assert load_dataset(tmp_path / "data.npz", cache=tmp_path).classes == ("left", "right")


def test_reads_a_folder_with_a_file_per_split(tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", IMAGES)
    np.save(tmp_path / "test.npy", IMAGES[:4])
    assert len(load_dataset(tmp_path, cache=tmp_path / "cache")) == 20
    assert len(load_dataset(tmp_path, "test", cache=tmp_path / "cache")) == 4


def test_applies_options_to_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", COLOURED)
    options = DataOptions(size=(4, 4), channels=1)
    data = load_dataset(tmp_path / "images.npy", options=options, cache=tmp_path)
    assert data.images.shape == (20, 4, 4, 1)
    assert data.images.max() > 0


def test_reads_a_coloured_idx_file_without_classes(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", COLOURED)
    options = DataOptions(labels="none")
    data = load_dataset(tmp_path / "images", options=options, cache=tmp_path)
    np.testing.assert_array_equal(data.images, COLOURED)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (IMAGES.astype(np.float32), r"has images float32 \(20, 8, 8, 1\); expected uint8"),
        (IMAGES.reshape(20, 64), r"has images uint8 \(20, 64\)"),
        (COLOURED.transpose(0, 3, 1, 2), "channels come last"),
        (IMAGES[:0], "no images"),
        (
            np.zeros((2, 6, 6), np.uint8),
            "are 6x6; .* pass --size 8x8 --crop pad .* --size 4x4 to shrink",
        ),
    ],
)
def test_names_the_fault_of_an_array(tmp_path: Path, images: np.ndarray, said: str) -> None:
    np.save(tmp_path / "images.npy", images)
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path / "images.npy", cache=tmp_path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"pixels": IMAGES}, "it contains pixels; name the images x_train, train_images, images"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"labels \(3,\) int64"),
        ({"images": IMAGES, "labels": LABELS / 2}, "float64"),
        ({"images": np.array([object()])}, "allow_pickle"),
    ],
)
def test_names_the_fault_of_an_npz_file(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path / "data.npz", cache=tmp_path)


def test_rejects_an_oversized_array_in_an_npz_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.training.data.sources.arrays.MAX_ARRAY_BYTES", 1000)
    np.savez(tmp_path / "data.npz", images=IMAGES)
    with pytest.raises(DataError, match=r"images has 1408 bytes; use an \.npy file"):
        open_npz(tmp_path / "data.npz", "train")


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@given(
    content=st.binary(max_size=64)
    | st.builds(
        lambda at, byte, cut: bytes([*_npy(IMAGES)[:at], byte, *_npy(IMAGES)[at + 1 :]])[
            : 1408 - cut
        ],
        st.integers(0, 127),
        st.integers(0, 255),
        st.integers(0, 8),
    )
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::SyntaxWarning")
def test_any_bytes_give_an_array_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.npy"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert open_npy(path).pixels.dtype == np.uint8
    with contextlib.suppress(DataError):
        assert open_npz(path, "train").pixels.dtype == np.uint8


@given(at=st.integers(0, 1700), byte=st.integers(0, 255), cut=st.integers(0, 30))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::SyntaxWarning")
def test_any_damage_to_npz_gives_an_array_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    np.savez(path, images=IMAGES)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content[: len(content) - cut])
    with contextlib.suppress(DataError):
        assert open_npz(path, "train").pixels.dtype == np.uint8


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_round_trips_idx(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_idx(tmp_path / name, array)
    np.testing.assert_array_equal(read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "begins with"),
        (b"\x89PNG\r\n", "begins with 89504e47"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "begins with 00000d01"),
        (b"\0\0\x08\3\0\0\0\1", "truncated in its header"),
        (b"\0\0\x08\1\0\0\0\5abc", "but has 3"),
        (b"\x1f\x8b not gzip", "cannot be read"),
    ],
)
def test_rejects_other_formats_than_idx(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_idx(path)


@given(content=st.binary(max_size=64))
def test_any_bytes_give_an_idx_array_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_idx(path).dtype == np.uint8


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(20) % 2.0,
        (np.arange(20) % 2).astype(bool),
        np.eye(2)[np.arange(20) % 2],
        np.eye(2, dtype=np.int64)[np.arange(20) % 2],
    ],
)
def test_reads_floats_and_one_hot_rows_as_classes(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES[:20], labels=labels)
    data = load_dataset(tmp_path / "a.npz", cache=tmp_path)
    assert data.labels.tolist() == [0, 1] * 10
    assert data.classes == ("0", "1")


def test_object_arrays_matter_only_if_they_are_wanted(tmp_path: Path) -> None:
    labels = np.array(["a", "b"] * 10, object)
    np.savez(tmp_path / "a.npz", images=IMAGES[:20], labels=labels, meta=labels)
    with pytest.raises(DataError, match=r"array labels in .* cannot be read.*--labels none"):
        load_dataset(tmp_path / "a.npz", cache=tmp_path)
    data = load_dataset(tmp_path / "a.npz", options=DataOptions(labels="none"), cache=tmp_path)
    assert len(data) == 20
