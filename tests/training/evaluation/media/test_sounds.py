import numpy as np
import pytest

from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.errors import DataError
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.media.sounds import SoundYardstick
from mirage.training.evaluation.reference import Split
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.media.sound import Sound
from tests.generators import ToySounds

RATE, LENGTH = 8_000, 2_048
MEDIUM = Sound(length=LENGTH, sample_rate=RATE)
SIZES = Sizes(
    generated=40, reference=80, covered=20, kernel_subset=20, kernel_subsets=5, fit_images=2_400
)
SPLIT = Split(reference=np.arange(80), held_out=np.arange(80, 120))


def tones(seed: int = 0, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Low and high tones with a little noise, and which they are."""
    rng = np.random.Generator(np.random.Philox(seed))
    labels = np.arange(count) % 2
    hertz = np.array([400, 2_000])[labels] * rng.uniform(0.9, 1.1, count)
    waves = np.sin(2 * np.pi * hertz[:, None] * np.arange(LENGTH) / RATE)
    waves = 0.5 * waves + 0.01 * rng.standard_normal(waves.shape)
    return (waves * 32_767).round().astype(np.int16), labels


def data() -> Dataset:
    sounds, labels = tones()
    classes = ("low", "high")
    return Dataset(
        sounds, labels, classes, fingerprint(sounds, labels, classes), recorded_medium=MEDIUM
    )


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    return Evaluator(data(), sizes=SIZES, cache=tmp_path_factory.mktemp("cache"))


def test_a_classifier_of_spectrograms_tells_the_classes_apart(evaluator: Evaluator) -> None:
    assert evaluator.network.name.endswith("by spectrograms")
    assert evaluator.floor["agreement"] == 1
    sounds, labels = tones(seed=1, count=40)
    _, predicted = evaluator.network(sounds)
    assert predicted is not None
    assert (predicted == labels).all()


def test_sounds_like_the_data_score_like_the_floor() -> None:
    yardstick = SoundYardstick(data(), SPLIT, MEDIUM)
    (own,), (floor,) = yardstick.measure(tones(1, 40)[0]).values(), yardstick.floor().values()
    (noise,) = yardstick.measure(
        np.random.Generator(np.random.Philox(0)).integers(-9_999, 9_999, (40, LENGTH), "i2")
    ).values()
    assert own < 3 * floor
    assert noise > 30 * floor


def test_evaluates_an_exported_generator(evaluator: Evaluator) -> None:
    card = evaluator.score(ToySounds(length=LENGTH).model().SerializeToString())
    assert {"agreement", "coverage", "frechet", "mel_frechet"} <= card.scores.keys()
    assert card.scores["mel_frechet"].value > 3 * (card.scores["mel_frechet"].floor or 0)
    assert card.scores["coverage"].floor is not None


def test_rejects_sounds_of_another_length(evaluator: Evaluator) -> None:
    with pytest.raises(
        DataError, match=r"the model makes sounds \(40,\) and the data are \(2048,\)"
    ):
        evaluator.score(ToySounds(length=40).model().SerializeToString())
