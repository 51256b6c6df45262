import pytest

from mirage.training.data.options import DataOptions, build_options
from mirage.training.errors import UsageError


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": (30, 32)}, r"--size is \(30, 32\): sides are multiples of 4, from 4 to 16384"),
        ({"size": (0, 4)}, "multiples of 4"),
        ({"crop": "middle"}, "--crop is 'middle': .*'center', 'none' or 'pad'"),
        ({"channels": 2}, "--channels is 2"),
        ({"background": "no colour"}, "--background is 'no colour': unknown color"),
        ({"background": "#11223344"}, "a background has no alpha"),
        ({"max_broken": 1.0}, "--max-broken is 1.0: .* less than 1"),
        ({"channels": 4, "alpha": "composite"}, "4 channels hold an alpha"),
        ({"sise": (4, 4)}, "--sise is"),
    ],
)
def test_names_the_flag_that_makes_no_sense(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_options(values)


def test_survives_a_run_s_configuration() -> None:
    options = DataOptions(size=(96, 64), background="navy", mirror=True)
    assert build_options(options.model_dump(mode="json")) == options


def test_a_colour_has_one_spelling() -> None:
    assert DataOptions(background="White") == DataOptions(background="rgb(255, 255, 255)")
    assert DataOptions(background="#fa0").colour == (255, 170, 0)
