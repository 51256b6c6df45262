from pathlib import Path

import pytest
import torch

from mirage.training.collapse import check_spread
from mirage.training.errors import CollapseError
from tests.training.snapshots import make_snapshot


@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_that_varies_passes(tmp_path: Path, classes: int) -> None:
    assert check_spread(make_snapshot(tmp_path, num_classes=classes)) > 1


@pytest.mark.parametrize("weights", [0.0, float("nan")])
def test_one_image_for_all_latents_is_collapse(tmp_path: Path, weights: float) -> None:
    snapshot = make_snapshot(tmp_path)
    with torch.no_grad():
        for parameter in snapshot.generator.parameters():
            parameter.fill_(weights)
    with pytest.raises(CollapseError, match="makes the same image whatever its latents") as caught:
        check_spread(snapshot)
    assert caught.value.exit_code == 6
