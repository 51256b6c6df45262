import errno
import fcntl
import os
import resource
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mirage.training.data.cache import ArrayWriter, prune_sources
from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.datasets import shapes

IMAGES, _ = shapes(64)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


def built(cache: Path) -> list[str]:
    """The files in the cache, without the locks."""
    return sorted(path.name for path in (cache / "datasets").iterdir() if ".lock" not in path.name)


def test_checks_disk_space_before_decoding(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 10_000_000))
    message = r"need 0.00 GB in .*, where 0.01 GB are free; set \$XDG_CACHE"
    with pytest.raises(DataError, match=message):
        load_dataset(source, cache=tmp_path / "cache")
    assert built(tmp_path / "cache") == []


def test_a_full_disk_leaves_no_partial_data(tmp_path: Path, source: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(DataError, match=f"cannot be stored in .*: {os.strerror(errno.EFBIG)}"):
            load_dataset(source, cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert built(tmp_path / "cache") == []
    assert len(load_dataset(source, cache=tmp_path / "cache")) == 64


def test_names_a_cache_that_cannot_be_created(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be stored in .*file/datasets"):
        load_dataset(source, cache=tmp_path / "file")


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "dataset.json"])
@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_rebuilds_a_damaged_cache(tmp_path: Path, source: Path, name: str, content: bytes) -> None:
    first = load_dataset(source, cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "datasets").glob("[!.]*")
    (folder / name).write_bytes(content)
    again = load_dataset(source, cache=tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images, IMAGES)
    assert again.labels is None


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A cache with one data set that has classes."""
    np.savez(tmp_path / "data.npz", images=IMAGES, labels=np.arange(64) % 3)
    load_dataset(tmp_path / "data.npz", cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "datasets").glob("[!.]*")
    return folder


def _without_labels(folder: Path) -> None:
    (folder / "labels.npy").unlink()


def _fewer_labels(folder: Path) -> None:
    np.save(folder / "labels.npy", np.arange(60) % 3)


def _other_labels(folder: Path) -> None:
    np.save(folder / "labels.npy", np.zeros(64, np.int64))


def _fewer_images(folder: Path) -> None:
    np.save(folder / "images.npy", IMAGES[:60])


def _float_images(folder: Path) -> None:
    np.save(folder / "images.npy", IMAGES.astype(np.float32))


def _no_object(folder: Path) -> None:
    (folder / "dataset.json").write_text("[]")


def _no_classes(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"classes": null, "fingerprint": 3, "broken": 1}')


@pytest.mark.parametrize(
    "damage",
    [
        *(_without_labels, _fewer_labels, _other_labels),
        *(_fewer_images, _float_images, _no_object, _no_classes),
    ],
)
def test_rebuilds_data_whose_parts_do_not_fit(tmp_path: Path, labelled: Path, damage) -> None:
    damage(labelled)
    again = load_dataset(tmp_path / "data.npz", cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.labels, np.arange(64) % 3)
    np.testing.assert_array_equal(again.images, IMAGES)
    assert again.classes == ("0", "1", "2")


def test_a_changed_source_replaces_what_was_decoded_of_it(tmp_path: Path, source: Path) -> None:
    cache = tmp_path / "cache"
    load_dataset(source, options=DataOptions(size=(4, 4)), cache=cache)
    before = load_dataset(source, cache=cache)
    np.save(source, IMAGES[::-1])
    after = load_dataset(source, cache=cache)
    assert len(built(cache)) == 2
    np.testing.assert_array_equal(before.images[::-1], after.images)  # still mapped


def test_removes_the_least_recently_used_beyond_the_bound(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, sizes = tmp_path / "cache", [(4, 4), (8, 4), (8, 8)]
    monkeypatch.setattr("mirage.training.data.cache.MAX_BYTES", 5_000)
    for number, size in enumerate(sizes):
        load_dataset(source, options=DataOptions(size=size, crop="none"), cache=cache)
        for name in built(cache):  # no two uses at one time, whatever the clock's resolution
            index = cache / "datasets" / name / "dataset.json"
            os.utime(index, ns=(number, min(number, index.stat().st_mtime_ns)))
    kept = [np.load(cache / "datasets" / name / "images.npy").shape[1:3] for name in built(cache)]
    assert kept == [(8, 8)]


def test_removes_the_data_of_a_source_unless_they_are_in_use(tmp_path: Path, source: Path) -> None:
    cache = tmp_path / "cache"
    data = load_dataset(source, cache=cache)
    prune_sources({"elsewhere"}, cache)
    (name,) = built(cache)
    with (cache / "datasets" / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prune_sources({data.source}, cache)
        assert built(cache) == [name]
    prune_sources({data.source}, cache)
    assert built(cache) == []


def test_removes_the_remains_of_a_killed_build(tmp_path: Path, source: Path) -> None:
    load_dataset(source, cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "datasets").glob("[!.]*")
    folder.rename(folder.with_name(f".building-{folder.name}"))
    load_dataset(source, cache=tmp_path / "cache")
    assert built(tmp_path / "cache") == [folder.name]


def test_concurrent_processes_decode_once(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DataOptions(size=(4, 4))
    with ThreadPoolExecutor(4) as pool:
        wanted = [pool.submit(load_dataset, source, "train", options, tmp_path) for _ in range(4)]
        assert len({one.result().fingerprint for one in wanted}) == 1
    assert capsys.readouterr().err.count("decoding:   0%") == 1


def test_an_array_writer_writes_what_numpy_would_save(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "grown.npy", IMAGES.shape[1:]) as writer:
        for part in np.array_split(IMAGES, 5):
            writer.append(part)
    np.save(tmp_path / "saved.npy", IMAGES)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
