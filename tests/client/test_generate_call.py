import json
from typing import Any

import numpy as np
import pytest

from mirage.client.generate_call import RANDOM_SEEDS, make_call


def test_draws_a_seed_so_that_repeating_a_call_gives_the_same_images() -> None:
    call = make_call(3, {})
    assert call.seed is not None
    assert 0 <= call.seed < RANDOM_SEEDS
    assert call.body() == {"count": 3, "seed": call.seed, "index": 0}
    assert make_call(3, {}).seed != call.seed


def test_parts_cover_the_same_images() -> None:
    call = make_call(5, {"seed": 7, "index": 10, "labels": [4, "x", 2, 1, 0], "model": "toy"})
    bodies = [part.body() for part in call.parts(2)]
    common = {"seed": 7, "model": "toy"}
    assert bodies == [
        {**common, "count": 2, "index": 10, "labels": [4, "x"]},
        {**common, "count": 2, "index": 12, "labels": [2, 1]},
        {**common, "count": 1, "index": 14, "labels": [0]},
    ]


def test_labels_may_be_a_function_of_the_index() -> None:
    call = make_call(4, {"index": 8, "labels": lambda index: index % 10})
    assert [part.body()["labels"] for part in call.parts(3)] == [[8, 9, 0], [1]]


@pytest.mark.parametrize("label", [3, "cat"])
def test_one_label_applies_to_all_parts(label: int | str) -> None:
    call = make_call(4, {"labels": label})
    assert [part.body()["labels"] for part in call.parts(3)] == [label, label]


def test_latents_and_labels_may_be_arrays() -> None:
    latents = np.arange(6, dtype=np.float32).reshape(3, 2)
    call = make_call(None, {"latents": latents, "labels": np.array([1, 2, 3])})
    first, second = (part.body() for part in call.parts(2))
    assert first == {"index": 0, "labels": [1, 2], "latents": [[0.0, 1.0], [2.0, 3.0]]}
    assert second == {"index": 2, "labels": [3], "latents": [[4.0, 5.0]]}


def test_numbers_may_be_scalars_of_numpy() -> None:
    call = make_call(
        np.int64(2),  # type: ignore[arg-type]
        {
            "seed": np.int64(3),  # type: ignore[typeddict-item]
            "index": np.uint64(5),  # type: ignore[typeddict-item]
            "labels": [np.int64(4), "x"],  # type: ignore[list-item]
            "truncation": np.float32(0.5),  # type: ignore[typeddict-item]
            "directions": {np.int64(0): np.float32(1.5)},  # type: ignore[dict-item]
        },
    )
    expected = {"count": 2, "seed": 3, "index": 5, "labels": [4, "x"], "truncation": 0.5}
    assert json.loads(json.dumps(call.body())) == {**expected, "directions": {"0": 1.5}}
    classes: Any = np.arange(10)
    assert json.dumps(make_call(2, {"labels": lambda index: classes[index]}).body())


def test_rows_may_be_arrays_themselves() -> None:
    rows = [np.zeros(2, np.float32), (1, 2)]
    assert make_call(None, {"latents": rows}).body()["latents"] == [[0.0, 0.0], [1.0, 2.0]]


def test_directions_apply_to_all_parts() -> None:
    call = make_call(3, {"directions": {"0": 1.5, "smile": -2}})
    assert [part.body()["directions"] for part in call.parts(2)] == [{"0": 1.5, "smile": -2}] * 2
    assert "directions" not in make_call(3, {"directions": {}}).body()


@pytest.mark.parametrize(("count", "labels"), [(None, [1, 2]), (2, None), (2, [1, 2]), (2, 5)])
def test_the_count_follows_from_count_or_labels(
    count: int | None, labels: int | list[int] | None
) -> None:
    assert make_call(count, {"labels": labels}).count == 2


def test_the_default_is_one_image() -> None:
    assert make_call(None, {}).count == 1


def test_splits_off_the_first_images() -> None:
    head, rest = make_call(5, {"seed": 7}).split(3)
    assert rest is not None
    assert (head.count, head.index, rest.count, rest.index) == (3, 0, 2, 3)
    pinned = rest.pinned("toy", 2)
    assert (pinned.model, pinned.version) == ("toy", 2)
    assert make_call(3, {}).split(3)[1] is None


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, {}, "count: 0; they must be equal and at least 1"),
        (3, {"labels": [1, 2]}, "count: 3, labels: 2"),
        (None, {"labels": [1, 2], "latents": [[0.0]]}, "latents: 1, labels: 2"),
        (None, {"labels": []}, "labels: 0"),
        (2, {"index": 2**64 - 1}, "index 18446744073709551615 \\+ count 2 exceeds"),
    ],
)
def test_rejects_contradicting_counts(count: int | None, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_call(count, options)


def test_rejects_an_unknown_option() -> None:
    with pytest.raises(TypeError, match="sed is not an option; allowed are seed, index, labels"):
        make_call(1, {"sed": 7})  # type: ignore[typeddict-unknown-key]
