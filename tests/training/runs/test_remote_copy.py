"""Copies of a run in object storage: an S3 server of moto."""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.objects import open_objects
from mirage.training.config import build_config
from mirage.training.errors import DataError
from mirage.training.runs.checkpoint import checkpoints, load_latest, save_checkpoint
from mirage.training.runs.loop import train
from mirage.training.runs.remote_copy import LATEST, RemoteCopy
from mirage.training.runs.run_dir import Run
from tests.object_storage import Bucket, s3_server
from tests.training.helpers.datasets import TINY, shapes_dataset


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_server() as bucket:
        yield bucket


def save(run: Run, nimg: int) -> None:
    save_checkpoint(run.checkpoints, nimg, {"weights": torch.full((3,), float(nimg))}, keep=2)


def objects(url: str) -> set[str]:
    return {entry.name for entry in open_objects(url).entries("")}


def trained(run: Path, kimg: float, url: str | None = None) -> dict[str, Any]:
    config = build_config("mnist", {**TINY, "kimg": kimg, "warm_start_kimg": 0.024})
    train(config, shapes_dataset(), run, 1, checkpoints_to=url)
    checkpoint = load_latest(run / "checkpoints")
    assert checkpoint is not None
    return checkpoint


def test_another_machine_resumes_from_the_copy(tmp_path: Path, bucket: Bucket) -> None:
    whole, url = trained(tmp_path / "whole", 0.08), bucket.url()
    trained(tmp_path / "first", 0.048, url)
    shutil.rmtree(tmp_path / "first")
    resumed = trained(tmp_path / "second", 0.08, url)
    assert resumed["nimg"] == whole["nimg"] == 80
    for name, value in whole["players"]["generator"].items():
        assert torch.equal(resumed["players"]["generator"][name], value), name
    expected, found = (Run(tmp_path / name).read_stats() for name in ("whole", "second"))
    assert [line["nimg"] for line in found] == [line["nimg"] for line in expected]


def test_the_copy_holds_the_last_checkpoint_and_snapshot(tmp_path: Path, bucket: Bucket) -> None:
    url = bucket.url()
    trained(tmp_path / "run", 0.08, url)
    checkpoint, snapshot = "checkpoints/checkpoint-000000080.pt", "snapshots/000000080.safetensors"
    small = {LATEST, "config.json", "stats.jsonl", "watchdog.json", "codes.npy"}
    hashed = re.compile("[0-9a-f]{16}/")
    assert {hashed.sub("", name) for name in objects(url)} == {*small, checkpoint, snapshot}
    assert len(objects(url)) == 7  # those of earlier checkpoints are gone


def test_a_newer_checkpoint_of_the_run_stays(tmp_path: Path, bucket: Bucket) -> None:
    url, run = bucket.url(), Run(tmp_path / "run")
    save(run, 8)
    RemoteCopy(run, url).close()
    save(run, 16)
    RemoteCopy(run, url).restore()
    assert [path.name[-6:-3] for path in checkpoints(run.checkpoints)] == ["016", "008"]


def test_nothing_is_restored_without_a_copy(tmp_path: Path, bucket: Bucket) -> None:
    run = Run(tmp_path / "run")
    RemoteCopy(run, bucket.url()).restore()
    assert not run.path.exists()


def test_a_copy_that_fails_leaves_the_one_before(
    tmp_path: Path, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    url, run = bucket.url(), Run(tmp_path / "run")
    save(run, 8)
    copy = RemoteCopy(run, url)
    copy.update()
    save(run, 16)
    with bucket.only(0), caplog.at_level(logging.WARNING), pytest.raises(BundleError):
        RemoteCopy(run, url).close()
    other = Run(tmp_path / "other")
    copy.close()
    RemoteCopy(other, url).restore()
    assert next(checkpoints(other.checkpoints)).name == "checkpoint-000000016.pt"


@pytest.mark.parametrize("requests", range(8))
def test_a_copy_that_was_killed_leaves_the_one_before_or_is_complete(
    tmp_path: Path, bucket: Bucket, requests: int
) -> None:
    url, run = bucket.url(), Run(tmp_path / "run")
    before = {"config.json": "{}", "stats.jsonl": '{"nimg": 8}\n' * 9, "watchdog.json": "[1, 2, 3]"}
    after = {"config.json": '{"kimg": 9}', "stats.jsonl": "", "watchdog.json": "[]"}
    for nimg, contents in ((8, before), (16, after)):
        save(run, nimg)
        for name, text in contents.items():
            (run.path / name).write_text(text)
        with bucket.only(requests if nimg == 16 else 99), suppress(BundleError):
            RemoteCopy(run, url).close()
    other = Run(tmp_path / "other")
    RemoteCopy(other, url).restore()
    restored = {name: (other.path / name).read_text() for name in before}
    expected = {8: before, 16: after}
    assert restored == expected[int(next(checkpoints(other.checkpoints)).stem[-9:])]


def test_a_copy_by_an_earlier_version_is_restored_and_replaced(
    tmp_path: Path, bucket: Bucket
) -> None:
    url, run = bucket.url(), Run(tmp_path / "run")
    save(run, 8)
    checkpoint = "checkpoints/checkpoint-000000008.pt"
    content = (run.path / checkpoint).read_bytes()
    store = open_objects(url)
    store.create("config.json", b"{}")
    store.create(checkpoint, content)
    store.create(LATEST, json.dumps({"config.json": 2, checkpoint: len(content)}).encode())
    other = Run(tmp_path / "other")
    copy = RemoteCopy(other, url)
    copy.restore()
    assert other.config_file.read_text() == "{}"
    assert (other.path / checkpoint).read_bytes() == content
    copy.close()
    assert "config.json" not in objects(url)


def test_a_fault_during_training_is_a_warning(
    tmp_path: Path, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path / "run")
    save(run, 8)
    copy = RemoteCopy(run, bucket.url())
    with bucket.only(0):
        copy.update()
        with pytest.raises(BundleError):
            copy.close()
    assert "the checkpoint is not copied: " in caplog.text


@pytest.mark.parametrize("content", [b"[", b"[1]", b'{"../config.json": 2, "checkpoints/x": 1}'])
def test_an_invalid_copy_is_a_data_error(tmp_path: Path, bucket: Bucket, content: bytes) -> None:
    url = bucket.url()
    open_objects(url).create(LATEST, content)
    with pytest.raises(DataError, match=r"latest\.json"):
        RemoteCopy(Run(tmp_path / "run"), url).restore()
