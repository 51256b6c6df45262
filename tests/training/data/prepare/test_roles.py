"""Roles of the persons in emoji."""

import pytest

from mirage.training.data.prepare.roles import role_of


@pytest.mark.parametrize(
    ("points", "role"),
    [
        ("1f468", "adult"),
        ("1f469_1f3fd_200d_1f680", "astronaut"),
        ("1f385_1f3ff", "santa"),
        ("1f9d1_200d_1f384", "santa"),
        ("1f478", "crown"),
        ("1f474_1f3fb", "elder"),
        ("1f46e_1f3fb_200d_2640_fe0f", "police-officer"),
        ("1f9d1_1f3fe_200d_2695_fe0f", "health-worker"),
        ("1f9d1_200d_1fabc", "1f9d1_1fabc"),
    ],
)
def test_a_role_has_no_tone_and_no_gender(points: str, role: str) -> None:
    assert role_of(f"png/emoji_u{points}.png") == role
