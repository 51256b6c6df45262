from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.data import shapes
from training.errors import DataError
from training.judge import FEATURES, WEIGHTS, fit, judge, load_judge, save_judge


def test_the_pinned_judge_loads_and_gives_features() -> None:
    images = np.zeros((3, 28, 28, 1), np.uint8)
    features, classes = judge(load_judge(), images)
    assert features.shape == (3, FEATURES)
    assert classes.shape == (3,)


def test_the_judge_sees_each_image_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    network = load_judge()
    together, _ = judge(network, images)
    alone, _ = judge(network, images, batch=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_another_judge_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "mnist.safetensors"
    changed.write_bytes(WEIGHTS.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match="the pinned judge has"):
        load_judge(changed)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_learns_and_reproduces_itself(tmp_path: Path) -> None:
    images, labels = shapes(count=512, side=28)
    torch.set_num_threads(1)
    networks = [fit(images, labels, epochs=3, seed=0, batch=32) for _ in range(2)]
    _, judged = judge(networks[0], images)
    assert (judged == labels).mean() > 0.9
    hashes = {save_judge(n, tmp_path / f"{i}.st", 0.9) for i, n in enumerate(networks)}
    assert len(hashes) == 1
