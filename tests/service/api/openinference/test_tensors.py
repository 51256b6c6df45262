"""The values of tensors, from bytes and from JSON."""

from typing import Any

import numpy as np
import pytest

from mirage.service.api.openinference.schemas import InferenceInput, TensorMetadata
from mirage.service.api.openinference.tensors import check_tensor, from_bytes, from_json
from mirage.service.errors import InvalidValue
from tests.service.api.openinference.requests import LATENTS

WANTED = TensorMetadata(name="latents", datatype="FP32", shape=[-1, 5])


def test_aligned_bytes_are_not_copied() -> None:
    data = LATENTS.tobytes()
    array = from_bytes(memoryview(data), "latents", "FP32", [2, 5])
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    np.testing.assert_array_equal(array, LATENTS)


@pytest.mark.parametrize("start", [1, 2, 3, 4, 5, 6, 7])
def test_bytes_anywhere_become_an_aligned_array(start: int) -> None:
    data = memoryview(b"\0" * start + LATENTS.tobytes())[start:]
    array = from_bytes(data, "latents", "FP32", [2, 5])
    assert array.flags.aligned
    np.testing.assert_array_equal(array, LATENTS)


@pytest.mark.parametrize("shape", [[3, 5], [1, 5], [0, 5], [2**62, 5], [2**70, 2**70]])
def test_bytes_that_the_shape_does_not_hold_are_refused(shape: list[int]) -> None:
    with pytest.raises(InvalidValue, match="latents has 40 binary bytes"):
        from_bytes(memoryview(LATENTS.tobytes()), "latents", "FP32", shape)


def test_json_is_flat_or_nested() -> None:
    for data in (LATENTS.tolist(), LATENTS.ravel().tolist()):
        array = from_json(data, "latents", "FP32", [2, 5])
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, LATENTS)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [0] * 9,
        [0] * 11,
        [[0] * 5],
        [[0] * 4, [0] * 6],
        [[0] * 5, 0],
        [0, [0] * 9],
        [[[0] * 5, [0] * 5]],
        [[0] * 10],
        [True] * 10,
        ["1"] * 10,
        [None] * 10,
        [{}] * 10,
        [0] * 9 + ["x" * 1000],
        [10**400] * 10,
    ],
)
def test_data_that_are_no_such_numbers_are_refused(data: list[Any]) -> None:
    with pytest.raises(InvalidValue, match="data of latents"):
        from_json(data, "latents", "FP32", [2, 5])


def test_numbers_beyond_float32_become_infinite() -> None:
    """They are refused with all others that are out of bounds."""
    assert np.isinf(from_json([1e300], "latents", "FP32", [1])).all()


@pytest.mark.parametrize("data", [[1.0], [2**63], [-(2**63) - 1], [True]])
def test_labels_are_integers(data: list[Any]) -> None:
    with pytest.raises(InvalidValue, match="data of labels"):
        from_json(data, "labels", "INT64", [1])


@pytest.mark.parametrize("shape", [[], [2], [5, 2], [2, 5, 1], [2, 0], [0, 5], [2**62, 5]])
def test_another_shape_is_refused(shape: list[int]) -> None:
    given = InferenceInput(name="latents", shape=shape, datatype="FP32")
    with pytest.raises(InvalidValue, match=r"shape of latents is .*; \[2, 5\] is allowed"):
        check_tensor(given, WANTED, 2)


@pytest.mark.parametrize("datatype", ["FP64", "FP16", "fp32", "BYTES", "", "x" * 1000])
def test_another_datatype_is_refused(datatype: str) -> None:
    given = InferenceInput(name="latents", shape=[2, 5], datatype=datatype)
    with pytest.raises(InvalidValue, match="FP32 is allowed"):
        check_tensor(given, WANTED, 2)
