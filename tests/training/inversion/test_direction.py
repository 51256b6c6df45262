"""Directions fitted to seeds and pictures with numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.directions import read_directions
from mirage.training.__main__ import main
from mirage.training.errors import DataError
from mirage.training.inversion.direction import fit_direction, read_examples
from tests.bundles import Toy, make_bundle
from tests.encoders import publish_encoded

TOY = Toy(labels=())
AXIS = np.array([0.6, 0, -0.8, 0, 0])


def written(folder: Path, *lines: str) -> Path:
    path = folder / "examples.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def marked_seeds(folder: Path, count: int = 40) -> Path:
    """Seeds with their position along AXIS, to one digit."""
    latents = [draw_latents(seed, 0, 1, 5)[0][0] for seed in range(count)]
    lines = (f"{seed},{latent @ AXIS:.1f}" for seed, latent in enumerate(latents))
    return written(folder, *lines)


def test_the_direction_in_which_numbers_grow_is_found() -> None:
    latents = np.random.default_rng(0).standard_normal((50, 5)).astype(np.float32)
    found = fit_direction(latents, 3 * latents @ AXIS + 100)
    np.testing.assert_allclose(found.vector, AXIS, atol=0.01)
    assert found.correlation > 0.99
    assert found.count == 50


def test_numbers_by_chance_show_in_the_correlation() -> None:
    rng = np.random.default_rng(1)
    found = fit_direction(rng.standard_normal((40, 20)), rng.standard_normal(40))
    assert abs(found.correlation) < 0.4


@pytest.mark.parametrize(
    ("latents", "values", "named"),
    [
        (np.eye(3), np.arange(3.0), "there are 3 examples; at least 4"),
        (np.eye(4), np.ones(4), "all 4 examples have the number 1"),
        (np.ones((4, 2)), np.arange(4.0), "tell nothing"),
    ],
)
def test_examples_that_define_no_direction_are_refused(
    latents: np.ndarray, values: np.ndarray, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        fit_direction(latents, values)


def test_seeds_with_and_without_index_and_names_of_columns_are_read(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, labels=()))
    latents, values = read_examples(written(tmp_path, "seed,value", "7,1", "7:2, -0.5"), bundle)
    np.testing.assert_array_equal(latents[0], draw_latents(7, 0, 1, 5)[0][0])
    np.testing.assert_array_equal(latents[1], draw_latents(7, 2, 1, 5)[0][0])
    np.testing.assert_array_equal(values, [1, -0.5])


def test_pictures_go_through_the_encoder(tmp_path: Path) -> None:
    bundle = load_bundle(publish_encoded(tmp_path, TOY))
    wanted, _ = draw_latents(3, 0, 1, 5)
    Image.fromarray(TOY.images(0.3 * wanted)[0, :, :, 0]).save(tmp_path / "a.png")
    latents, _ = read_examples(written(tmp_path, "a.png,1"), bundle)
    np.testing.assert_allclose(latents, 0.3 * wanted, atol=0.2)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    bundle = load_bundle(publish_encoded(tmp_path, TOY))
    Image.new("L", (12, 8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content.replace(b"IDAT", b"I!AT"))
    with pytest.raises(DataError, match=r"a\.png is damaged: "):
        read_examples(written(tmp_path, "a.png,1"), bundle)


def test_pictures_need_an_encoder(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, labels=()))
    Image.new("L", (12, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="toy@1 has no encoder"):
        read_examples(written(tmp_path, "a.png,1"), bundle)


@pytest.mark.parametrize("line", ["7", "7,1,2", "7,much", "7,inf", "18446744073709551616,1"])
def test_lines_that_cannot_be_read_are_named(tmp_path: Path, line: str) -> None:
    bundle = load_bundle(make_bundle(tmp_path, labels=()))
    with pytest.raises(DataError, match="line 2 of "):
        read_examples(written(tmp_path, "1,1", line), bundle)


def test_lines_are_counted_as_editors_count_them(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, labels=()))
    with pytest.raises(DataError, match=r"line 4 of .*'1\\u2028,much'"):
        read_examples(written(tmp_path, "1,1", "", "", "1\u2028,much"), bundle)


def test_the_command_names_the_direction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_bundle(tmp_path, labels=())
    assert main(["fit-direction", str(path), "wide", str(marked_seeds(tmp_path))]) == 0
    assert "added direction wide, fitted to 40 examples; correlation" in capsys.readouterr().out
    vector = read_directions(tmp_path, "toy", 1)["wide"].vector
    assert vector is not None
    np.testing.assert_allclose(vector, AXIS, atol=0.05)
    assert main(["fit-direction", str(path), "Wide!", str(marked_seeds(tmp_path))]) == 3
    assert "does not match" in capsys.readouterr().err
