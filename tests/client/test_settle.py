import pytest

from mirage_client import Client, Refused
from mirage_client.errors import DatasetError
from mirage_client.settle import Wish, class_indices, settle

NAMES = ("3", "a, b", "cat")


def test_defaults_are_the_released_version_and_every_class_in_turn(client: Client) -> None:
    record = settle(client, Wish(), None)
    version = client.model("toy").version(1)
    assert version is not None
    assert (record.model, record.version, record.sha256) == ("toy", 1, version.sha256)
    assert record.labels == tuple(range(10))
    assert (record.truncation, record.by_class, record.shard_size) == (1.0, False, None)
    assert settle(client, Wish(), None).seed != record.seed


def test_wishes_are_kept(client: Client) -> None:
    wish = Wish("named", 1, 0, "cat,0", 0.5, True, 9)
    record = settle(client, wish, None)
    assert (record.model, record.version, record.seed) == ("named", 1, 0)
    assert (record.labels, record.classes) == ((2, 0), NAMES)
    assert (record.truncation, record.by_class, record.shard_size) == (0.5, True, 9)


def test_what_is_left_open_is_that_of_the_dataset_begun(client: Client) -> None:
    begun = settle(client, Wish("named", 1, 7, "cat", 0.5, True, None), None)
    assert settle(client, Wish(), begun) == begun
    assert settle(client, Wish(seed=8), begun).seed == 8
    assert settle(client, Wish(labels="uniform"), begun).labels == (0, 1, 2)


def test_a_version_that_is_not_in_memory_is_loaded(client: Client) -> None:
    assert client.model("unreleased").loaded == ()
    assert settle(client, Wish(model="unreleased", version=1), None).version == 1


def test_a_model_without_classes_has_no_labels(client: Client) -> None:
    record = settle(client, Wish(model="plain"), None)
    assert (record.labels, record.classes) == ((), ())
    with pytest.raises(DatasetError, match="labels are '3'; the model has no classes"):
        settle(client, Wish(model="plain", labels="3"), None)


def test_a_model_without_a_release_needs_a_version(client: Client) -> None:
    with pytest.raises(DatasetError, match="no version of unreleased is released; name one"):
        settle(client, Wish(model="unreleased"), None)


@pytest.mark.parametrize("wish", [Wish(model="gone"), Wish(version=99)])
def test_what_the_server_does_not_have_is_refused(client: Client, wish: Wish) -> None:
    with pytest.raises(Refused) as caught:
        settle(client, wish, None)
    assert caught.value.slug == "no-such-model"


@pytest.mark.parametrize(
    ("text", "indices"),
    [("uniform", (0, 1, 2)), ("3", (0,)), ("2", (2,)), ("a, b", (1,)), ("cat, 3 ,1", (2, 0, 1))],
)
def test_names_go_before_indices(text: str, indices: tuple[int, ...]) -> None:
    assert class_indices(text, NAMES) == indices


@pytest.mark.parametrize("text", ["", "dog", "4", "-1", "cat,", "²", "1e0", "9" * 5000])
def test_a_class_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"indices 0 … 2 are allowed, and .* 3, a, b, cat"):
        class_indices(text, NAMES)
