import numpy as np
import pytest

from mirage.training.data.groups import content_hash, group_names, groups_of_share, held_out_groups
from mirage.training.errors import DataError


def test_kin_lie_in_one_folder() -> None:
    assert group_names("folder", ["a/b/1.png", "a/b/2.png", "a/1.png"]) == ["a/b", "a/b", "a"]


@pytest.mark.parametrize(
    "names",
    [
        ("dark/emoji_u1f468_1f3ff_200d_1f33e.png", "yellow/emoji_u1f9d1_200d_1f33e.png"),
        ("emoji_u1f46e.png", "1F46E-1F3FB-200D-2640-FE0F.png"),
        ("emoji_u1f474_1f3fc.png", "emoji_u1f9d3.png"),
        ("emoji_u1f385.png", "emoji_u1f9d1_1f3fb_200d_1f384.png"),
    ],
)
def test_an_emoji_is_kin_to_its_skin_tones_and_sexes(names: tuple[str, str]) -> None:
    first, second = group_names("emoji", names)
    assert first == second


def test_persons_of_other_professions_or_ages_are_no_kin() -> None:
    names = ["emoji_u1f468.png", "emoji_u1f466.png", "emoji_u1f468_200d_1f33e.png"]
    assert len(set(group_names("emoji", names))) == 3


@pytest.mark.parametrize(("rule", "name"), [("folder", "1.png"), ("emoji", "200d.png")])
def test_a_name_that_does_not_tell_is_named(rule: str, name: str) -> None:
    with pytest.raises(DataError, match=rf"--groups is {rule}; the name {name} has no"):
        group_names(rule, [name])


def test_about_so_many_per_cent_of_the_groups_are_held_out_whatever_the_others_are() -> None:
    groups = [str(number) for number in range(2_000)]
    out = held_out_groups(groups, 10)
    assert 150 < len(out) < 250
    assert held_out_groups(groups[:1_000], 10) == out & set(groups[:1_000])


def test_at_least_one_group_is_held_out_and_never_all() -> None:
    assert len(held_out_groups(["a", "b"], 0.001)) == 1
    assert len(held_out_groups(["a", "b"], 99.999)) == 1
    assert held_out_groups(["a"], 50) == set()


def test_groups_are_held_out_until_they_hold_the_share_of_the_images() -> None:
    groups = [str(number // 18) for number in range(18 * 50)]
    out = groups_of_share(groups, 10)
    assert len(out) == 5
    assert out < groups_of_share(groups, 20)


def test_of_a_share_at_least_one_group_is_held_out_and_never_all() -> None:
    assert len(groups_of_share(["a", "b"], 0.001)) == 1
    assert len(groups_of_share(["a", "b"], 99.999)) == 1
    assert groups_of_share(["a"], 50) == set()


def test_copies_have_the_same_content() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert content_hash(image) == content_hash(image.copy()) != content_hash(image + 1)
