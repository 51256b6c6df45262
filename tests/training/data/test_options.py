import pytest

from mirage.training.data.options import DataOptions, build_options
from mirage.training.errors import UsageError


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"size": (30, 32)},
            r"--size is \(30, 32\): sides must be multiples of 4, from 4 to 16384",
        ),
        ({"size": (0, 4)}, "multiples of 4"),
        ({"crop": "middle"}, "--crop is 'middle': .*'center', 'none' or 'pad'"),
        ({"channels": 2}, "--channels is 2"),
        ({"background": "no colour"}, "--background is 'no colour': unknown color"),
        ({"background": "#11223344"}, "a background must be opaque"),
        ({"max_broken": 1.0}, "--max-broken is 1.0: .* less than 1"),
        ({"channels": 4, "alpha": "composite"}, "4 channels include alpha"),
        ({"sise": (4, 4)}, "--sise is"),
    ],
)
def test_names_the_invalid_flag(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_options(values)


def test_round_trips_through_a_run_s_configuration() -> None:
    options = DataOptions(size=(96, 64), background="navy", mirror=True)
    assert build_options(options.model_dump(mode="json")) == options


def test_normalises_the_spelling_of_colours() -> None:
    assert DataOptions(background="White") == DataOptions(background="rgb(255, 255, 255)")
    assert DataOptions(background="#fa0").colour == (255, 170, 0)


@pytest.mark.parametrize("split", ["", ",", "a,", "a,b,c"])
def test_a_split_has_one_or_two_folders(split: str) -> None:
    with pytest.raises(UsageError, match=r"--split is .*: expected TRAIN, or TRAIN,TEST, or none"):
        build_options({"split": split})
