from pathlib import Path

import numpy as np

from mirage.training.evaluation.contact_sheets import neighbour_sheet, real_sheet, sample_sheet
from mirage.training.evaluation.scores.metrics import nearest
from tests.bundles import Toy
from tests.training.helpers.toys import SIZES, digits_like, evaluator_of


def test_samples_show_a_class_per_column() -> None:
    toy = Toy(labels=("a", "b", "c"))
    sheet = sample_sheet(toy.model().SerializeToString(), 3)
    assert sheet.shape == (10 * toy.height, 10 * toy.width, 1)


def test_samples_of_a_model_without_classes() -> None:
    toy = Toy(labels=(), channels=3)
    sheet = sample_sheet(toy.model().SerializeToString(), 0)
    assert sheet.shape == (10 * toy.height, 10 * toy.width, 3)


def test_real_images_show_a_class_per_column() -> None:
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    sheet = real_sheet(images, np.arange(40) // 20)[..., 0]
    assert (sheet[:, 0::2] < 20).all()
    assert (sheet[:, 1::2] >= 20).all()


def test_real_images_without_classes() -> None:
    images = np.arange(120, dtype=np.uint8).reshape(120, 1, 1, 1)
    assert len(np.unique(real_sheet(images, None))) == 100


def test_each_sample_has_its_nearest_training_image_below(tmp_path: Path) -> None:
    data = digits_like()
    evaluator = evaluator_of(data, tmp_path)
    model = Toy(height=28, width=28).model().SerializeToString()
    sheet = neighbour_sheet(evaluator, model)
    assert sheet.shape == (4 * 28, 10 * 28, 1)
    labels = evaluator.requested_labels(SIZES.generated)
    features, _ = evaluator.network(evaluator.generate(model, labels, first_seed=0))
    nearness, found = nearest(features, evaluator.reference.reference)
    closest = data.images[evaluator.split.reference[found[nearness.argmin()]]]
    np.testing.assert_array_equal(sheet[3 * 28 :, :28], closest)
