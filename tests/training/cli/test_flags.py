import argparse
from pathlib import Path

import pytest

from mirage.training.cli.recipe import add_recipe, config_of
from mirage.training.config import TrainConfig


def config_for(*flags: str) -> TrainConfig:
    parser = argparse.ArgumentParser()
    add_recipe(parser)
    return config_of(parser.parse_args(["--data", "pictures", "--preset", "avatars", *flags]), None)


def test_initial_weights_disable_the_warm_start_by_default(tmp_path: Path) -> None:
    begun = ("--from", str(tmp_path))
    assert config_for().warm_start_kimg == 8
    assert config_for(*begun).warm_start_kimg == 0
    assert config_for(*begun, "--set", "warm_start_kimg=2").warm_start_kimg == 2


def test_factors_to_shrink_by_are_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        config_for("--shrink", "x")
    assert left.value.code == 2
    assert "x is no list of factors; expected whole numbers such as 1,2" in capsys.readouterr().err
