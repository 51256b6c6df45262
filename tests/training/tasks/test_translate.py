"""Task `translate`: what is drawn, what moves, and that runs resume to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.errors import DataError, UsageError
from mirage.training.runs.checkpoint import load_latest
from mirage.training.tasks.translate import TASK, Batches, Samples
from tests.training.helpers.translators import (
    style_set,
    tiny_config,
    trained_translator,
    write_styles,
)

UNPAIRED = {"contrastive": {}, "cycle": {"content": "cycle"}}
ALL = UNPAIRED | {"paired": {"paired": True, "content": "l1"}}


def test_twins_are_held_out_together(tmp_path: Path) -> None:
    styles = style_set(tmp_path / "data")
    held_out = {picture.name for picture in styles.source.held_out}
    assert 0 < len(held_out) < 12
    assert len(styles.held_out_twins) == len(held_out)
    assert held_out <= {picture.name for picture in styles.target.held_out}
    assert {a.name for a, b in styles.twins if a.name == b.name} == {
        picture.name for picture in styles.source.pictures
    }


def test_paired_batches_hold_the_same_place_of_twins(tmp_path: Path) -> None:
    write_styles(tmp_path / "data")
    for path in (tmp_path / "data" / "target").glob("[0-9]*.png"):
        path.write_bytes((tmp_path / "data" / "source" / path.name).read_bytes())
    config = tiny_config(paired=True, content="l1")
    (batch,) = Batches(config, style_set(tmp_path / "data", paired=True)).draw(0, slice(0, 4))
    assert batch.source.shape == (4, 3, 16, 16)
    assert torch.equal(batch.source, batch.target)


def test_paired_data_need_a_twin_of_every_source(tmp_path: Path) -> None:
    write_styles(tmp_path / "data")
    (tmp_path / "data" / "target" / "3.png").unlink()
    with pytest.raises(DataError, match=r"1 of 12 .* no twin of the same name .* read: 3\.png"):
        style_set(tmp_path / "data", paired=True)


@pytest.mark.parametrize("changes", ALL.values(), ids=ALL)
def test_a_run_moves_both_networks_and_reports(tmp_path: Path, changes: dict) -> None:
    run = trained_translator(tmp_path, **changes)
    (line, *_) = run.read_stats()
    assert {"d_loss", "g_loss", "content", "r1", "r2", "margin", "twin_l1"} <= line.keys()
    assert ("identity" in line) == (not changes.get("paired", False))
    assert run.latest_snapshot().name == "000000008.safetensors"


def test_targets_stay_as_they_are_also_in_small_parts_of_a_batch(tmp_path: Path) -> None:
    run = trained_translator(tmp_path, micro_batch_size=1)
    (line, *_) = run.read_stats()
    assert line["identity"] > 0


def test_a_resumed_run_has_the_same_weights(tmp_path: Path) -> None:
    whole = trained_translator(tmp_path / "whole")
    trained_translator(tmp_path / "parts", kimg=0.004)
    parts = trained_translator(tmp_path / "parts")
    first, second = (load_latest(run.checkpoints) for run in (whole, parts))
    assert first is not None
    assert second is not None
    for name, value in first["players"]["generator"].items():
        assert torch.equal(value, second["players"]["generator"][name]), name


def test_the_grid_shows_source_result_and_twin(tmp_path: Path) -> None:
    styles = style_set(tmp_path / "data")
    samples = Samples(tiny_config(), styles)
    images = samples.draw(torch.nn.Conv2d(3, 3, 1))
    assert samples.columns == 12
    assert len(images) == 3 * len(styles.held_out_twins)
    for (source, twin), shown, other in zip(
        styles.held_out_twins, images[0::3], images[2::3], strict=True
    ):
        np.testing.assert_array_equal(shown, source.pixels)
        np.testing.assert_array_equal(other, twin.pixels)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": "l1"}, "content is l1; for unpaired data allowed are contrastive, cycle"),
        ({"paired": True}, "content is contrastive; for paired data allowed are l1"),
        ({"crop": 18}, "crop is 18; task translate needs a multiple of 4"),
        ({"widths": "8,8"}, "widths holds three numbers"),
        ({"loss": "wasserstein"}, "loss is 'wasserstein': allowed are hinge, .*, saturating$"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        tiny_config(**changes)


def test_a_description_counts_twins(tmp_path: Path) -> None:
    text = "\n".join(TASK.describe(style_set(tmp_path / "data")))
    assert "not used" in text
    assert "held out, for scores" in text
