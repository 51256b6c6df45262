import pytest

from mirage.client import Client, Refused
from mirage.client.errors import DatasetError
from mirage.client.resolve import DatasetOptions, class_indices, resolve

NAMES = ("3", "a, b", "cat")


def test_defaults_to_the_released_version_and_all_classes(client: Client) -> None:
    record = resolve(client, DatasetOptions(), None)
    version = client.model("toy").version(1)
    assert version is not None
    assert (record.model, record.version, record.sha256) == ("toy", 1, version.sha256)
    assert record.labels == tuple(range(10))
    assert (record.truncation, record.by_class, record.shard_size) == (1.0, False, None)
    assert resolve(client, DatasetOptions(), None).seed != record.seed


def test_uses_the_given_options(client: Client) -> None:
    wanted = DatasetOptions("named", 1, 0, "cat,0", 0.5, True, 9)
    record = resolve(client, wanted, None)
    assert (record.model, record.version, record.seed) == ("named", 1, 0)
    assert (record.labels, record.classes) == ((2, 0), NAMES)
    assert (record.truncation, record.by_class, record.shard_size) == (0.5, True, 9)


def test_defaults_to_the_parameters_of_an_existing_dataset(client: Client) -> None:
    existing = resolve(client, DatasetOptions("named", 1, 7, "cat", 0.5, True, None), None)
    assert resolve(client, DatasetOptions(), existing) == existing
    assert resolve(client, DatasetOptions(seed=8), existing).seed == 8
    assert resolve(client, DatasetOptions(labels="uniform"), existing).labels == (0, 1, 2)


def test_loads_a_version_that_is_not_in_memory(client: Client) -> None:
    assert client.model("unreleased").loaded == ()
    assert resolve(client, DatasetOptions(model="unreleased", version=1), None).version == 1


def test_a_model_without_classes_has_no_labels(client: Client) -> None:
    record = resolve(client, DatasetOptions(model="plain"), None)
    assert (record.labels, record.classes) == ((), ())
    with pytest.raises(DatasetError, match="labels are '3'; the model has no classes"):
        resolve(client, DatasetOptions(model="plain", labels="3"), None)


def test_a_model_without_a_release_needs_a_version(client: Client) -> None:
    with pytest.raises(DatasetError, match="no version of unreleased is released; name one"):
        resolve(client, DatasetOptions(model="unreleased"), None)


def test_a_model_that_takes_pictures_makes_none(client: Client) -> None:
    with pytest.raises(DatasetError, match="larger is of task upscale; only models of generate"):
        resolve(client, DatasetOptions(model="larger"), None)


@pytest.mark.parametrize("wanted", [DatasetOptions(model="gone"), DatasetOptions(version=99)])
def test_rejects_missing_models_versions_and_classes(
    client: Client, wanted: DatasetOptions
) -> None:
    with pytest.raises(Refused) as caught:
        resolve(client, wanted, None)
    assert caught.value.slug == "no-such-model"


@pytest.mark.parametrize(
    ("text", "indices"),
    [("uniform", (0, 1, 2)), ("3", (0,)), ("2", (2,)), ("a, b", (1,)), ("cat, 3 ,1", (2, 0, 1))],
)
def test_names_take_precedence_over_indices(text: str, indices: tuple[int, ...]) -> None:
    assert class_indices(text, NAMES) == indices


@pytest.mark.parametrize("text", ["", "dog", "4", "-1", "cat,", "²", "1e0", "9" * 5000])
def test_rejects_an_unknown_class(text: str) -> None:
    with pytest.raises(DatasetError, match=r"indices 0 … 2 are allowed, and .* 3, a, b, cat"):
        class_indices(text, NAMES)
