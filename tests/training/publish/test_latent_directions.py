from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.publish.latent_directions import MOST, find_directions
from tests.training.helpers.snapshots import SELF_CONTAINED, make_snapshot


def test_the_strongest_direction_is_the_one_that_the_weight_stretches_most() -> None:
    weight = torch.zeros(5, 3)
    weight[0], weight[1] = torch.tensor([0.0, -3.0, -4.0]), torch.tensor([2.0, 0.0, 0.0])
    first, second, third = find_directions(weight)
    assert first.vector == pytest.approx((0, 0.6, 0.8))
    assert second.vector == pytest.approx((1, 0, 0))
    assert [first.strength, second.strength] == pytest.approx([25 / 29, 4 / 29], abs=1e-6)
    assert third.strength == 0


def test_directions_are_orthogonal_unit_vectors_from_strong_to_weak() -> None:
    found = find_directions(torch.randn(40, 12, generator=torch.Generator().manual_seed(0)))
    vectors = np.array([direction.vector for direction in found])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(MOST), atol=1e-6)
    strengths = [direction.strength for direction in found]
    assert strengths == sorted(strengths, reverse=True)
    assert sum(strengths) < 1


def test_the_largest_component_is_positive_whatever_the_sign_of_the_weight() -> None:
    weight = torch.randn(40, 12, generator=torch.Generator().manual_seed(1))
    found = find_directions(weight)
    assert found == find_directions(-weight)
    for direction in found:
        assert max(direction.vector, key=abs) > 0


def test_components_are_float32() -> None:
    for direction in find_directions(torch.randn(9, 4, generator=torch.Generator().manual_seed(2))):
        for component in direction.vector:
            assert str(np.float32(component)) == str(component)


def test_few_latents_have_few_directions_and_zeros_have_none() -> None:
    assert len(find_directions(torch.ones(7, 3))) == 3
    assert find_directions(torch.zeros(7, 3)) == ()


@pytest.mark.parametrize("family", SELF_CONTAINED)
@pytest.mark.parametrize("num_classes", [0, 3])
def test_every_family_tells_its_weight_for_latents_alone(
    tmp_path: Path, family: str, num_classes: int
) -> None:
    """What the embedding of classes goes through has no part: the network does not see it here."""
    generator = make_snapshot(tmp_path, family, num_classes=num_classes).generator
    seen: list[torch.Tensor] = []
    names = {"strided": "hidden", "residual": "weigh", "dcgan": "dense", "direct": "dense.layer"}
    layer = generator.get_submodule(names[family])
    layer.register_forward_hook(lambda _, inputs, output: seen.append(output))
    labels = torch.zeros(6, dtype=torch.int64) if num_classes else None
    generator(torch.zeros(6, 6), labels)
    generator(torch.eye(6), labels)
    weight = generator.latent_weight()
    torch.testing.assert_close((seen[1] - seen[0]).T, weight, rtol=1e-4, atol=1e-5)
