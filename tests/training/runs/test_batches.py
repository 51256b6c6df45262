import numpy as np
import pytest
import torch

from mirage.training.config import build_config
from mirage.training.runs.batches import BatchLoader
from mirage.training.tasks.generate import Batch
from tests.training.helpers.datasets import TINY, shapes_dataset


def loader() -> BatchLoader:
    return BatchLoader(build_config("mnist", TINY), shapes_dataset(), torch.device("cpu"))


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_batches_depend_only_on_the_images_seen() -> None:
    straight, jumping = loader(), loader()
    walked = [straight.batches(nimg) for nimg in range(0, 40, 8)]
    for nimg in (32, 0, 16):
        for one, other in zip(jumping.batches(nimg), walked[nimg // 8], strict=True):
            assert equal(one, other)
    straight.close()
    jumping.close()


def test_the_networks_get_different_images_and_latents() -> None:
    source = loader()
    first, second = source.batches(0)
    assert not torch.equal(first.latents, second.latents)
    assert not torch.equal(first.images, second.images)
    source.close()


def test_images_come_with_their_labels() -> None:
    data, source = shapes_dataset(), loader()
    batch, _ = source.batches(0)
    known = {image.tobytes(): label for image, label in zip(data.images, data.labels, strict=True)}
    levels = ((batch.images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for image, label in zip(np.ascontiguousarray(levels), batch.labels, strict=True):
        assert known[image.tobytes()] == label
    source.close()


def test_raises_errors_of_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    source = loader()
    monkeypatch.setattr(source, "drawer", None)
    with pytest.raises(AttributeError):
        source.batches(800)
    source.close()
