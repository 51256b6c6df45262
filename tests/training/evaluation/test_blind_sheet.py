import numpy as np
import pytest
from PIL import Image

from mirage.training.data.dataset import Dataset, fingerprint, mirror
from mirage.training.errors import DataError
from mirage.training.evaluation.blind_sheet import blind_sheet
from mirage.training.evaluation.samples import generate_images, proportional_labels
from tests.bundles import Toy
from tests.training.helpers.datasets import shapes, shapes_dataset
from tests.training.helpers.sequences import SOUND

MODEL = Toy(labels=("left", "right"), height=8, width=8).model().SerializeToString()
STEP_X, STEP_Y, TOP = 140, 158, 30


def cell(sheet: Image.Image, number: int) -> np.ndarray:
    """The image of this number, at its own size: uint8 [8, 8, 3]."""
    row, column = divmod(number - 1, 8)
    left, top = 12 + column * STEP_X, TOP + row * STEP_Y
    return np.asarray(sheet)[top : top + 128 : 16, left : left + 128 : 16]


def grey(images: np.ndarray) -> list[bytes]:
    return sorted(image.repeat(3, axis=2).tobytes() for image in images)


def test_shows_twenty_generated_and_twenty_real_images_at_the_places_of_the_key() -> None:
    data = shapes_dataset()
    drawn = blind_sheet(MODEL, data)
    generated, real = drawn.key["generated"], drawn.key["real"]
    assert sorted(generated + real) == list(range(1, 41))
    assert len(generated) == len(real) == 20
    made = generate_images(MODEL, 20, proportional_labels(data.labels, 20))
    assert sorted(cell(drawn.sheet, number).tobytes() for number in generated) == grey(made)
    known = grey(data.images)
    assert all(cell(drawn.sheet, number).tobytes() in known for number in real)


def test_the_order_and_the_images_are_those_of_the_seed() -> None:
    data = shapes_dataset()
    first, again, other = (blind_sheet(MODEL, data, seed) for seed in (0, 0, 1))
    assert first.key == again.key
    assert first.sheet.tobytes() == again.sheet.tobytes()
    assert first.key["generated"] != other.key["generated"]


def test_each_of_eight_stands_beside_three_different_training_images() -> None:
    data = shapes_dataset()
    drawn = blind_sheet(MODEL, mirror(data))
    cells = [cell(drawn.neighbours, number) for number in range(1, 33)]
    assert drawn.neighbours.height == 4 * STEP_Y + 12
    known = {min(image.tobytes(), image[:, ::-1].tobytes()) for image in cells[1:4]}
    assert len(known) == 3
    generated = [cell(drawn.sheet, number).tobytes() for number in drawn.key["generated"]]
    assert all(image.tobytes() in generated for image in cells[::4])
    training = grey(mirror(data).images[:])
    assert all(cells[k].tobytes() in training for k in range(32) if k % 4)


def test_what_is_transparent_is_white() -> None:
    images = np.zeros((20, 8, 8, 4), np.uint8)
    data = Dataset(images, None, (), fingerprint(images, None, ()))
    model = Toy(labels=(), height=8, width=8, channels=4).model().SerializeToString()
    drawn = blind_sheet(model, data)
    assert (cell(drawn.sheet, drawn.key["real"][0]) == 255).all()


def test_refuses_few_images_and_images_of_another_size() -> None:
    images, _ = shapes(19)
    few = Dataset(images, None, (), "a" * 64)
    with pytest.raises(DataError, match="holds 19 images; a blind sheet takes 20"):
        blind_sheet(MODEL, few)
    with pytest.raises(DataError, match=r"the model makes images \(8, 8, 1\)"):
        blind_sheet(MODEL, shapes_dataset(side=16))


def test_refuses_data_that_are_no_images() -> None:
    sounds = np.zeros((40, 50), np.int16)
    data = Dataset(sounds, None, (), "a" * 64, recorded_medium=SOUND)
    with pytest.raises(DataError, match="holds sounds; a blind sheet takes images"):
        blind_sheet(MODEL, data)
