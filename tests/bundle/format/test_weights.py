import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.bundle.errors import BundleError
from mirage.bundle.format.weights import check_weights
from tests.bundles import safetensors

LIMIT_BYTES = 10_000
SOUND = safetensors({"a": np.ones((2, 3), np.float32), "b": np.ones((), np.float32)})


def tensor(start: int, stop: int, shape: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def file(header: Any, data_bytes: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data_bytes)


def check(raw: bytes) -> None:
    check_weights(raw[: 8 + LIMIT_BYTES], len(raw), LIMIT_BYTES)


@pytest.mark.parametrize("raw", [SOUND, file({}), file({"a": tensor(0, 0, [0, 5])})])
def test_accepts_valid_headers(raw: bytes) -> None:
    check(raw)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "0 bytes, cannot be"),
        (SOUND[:7], "cannot be"),
        (SOUND[:20], "cannot be"),
        ((2**63).to_bytes(8, "little"), "9223372036854775808 bytes, cannot be"),
        (file(b" " * LIMIT_BYTES + b"{}"), "10002 bytes, cannot be"),
        (SOUND[:-1], "tensors end at byte 28 of 27"),
        (SOUND + b"x", "tensors end at byte 28 of 29"),
        (file(b"{"), "Expecting property name"),
        (file([]), "an object is needed"),
        (file({"__metadata__": {"a": 1}}), "__metadata__ must map names to strings"),
        (file({"__metadata__": 1}), "__metadata__ must map names to strings"),
        (file({"a": 1}), "tensor 'a' is described by 1"),
        (file({"a": tensor(0, 4, [2])}, 4), "tensor 'a' is described by"),
        (file({"a": tensor(0, 4, [1], "OBJ")}, 4), "tensor 'a' is described by"),
        (file({"a": tensor(0, 4, [-1, -1])}, 4), "tensor 'a' is described by"),
        (file({"a": tensor(0, 4, [True])}, 4), "tensor 'a' is described by"),
        (file({"a": tensor(-4, 0, [1])}, 4), "tensor 'a' is described by"),
        (file({"a": tensor(4, 8, [1])}, 8), "overlap or leave a gap at byte 0"),
        (file({"a": tensor(0, 8, [2]), "b": tensor(4, 8, [1])}, 8), "gap at byte 8"),
    ],
)
def test_rejects_an_invalid_header(raw: bytes, named: str) -> None:
    with pytest.raises(BundleError) as caught:
        check(raw)
    assert caught.value.reason == "weights_invalid"
    assert named in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_header_passes_or_gives_an_error(text: bytes, data_bytes: int) -> None:
    with suppress(BundleError):
        check(file(text, data_bytes))
