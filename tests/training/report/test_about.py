import pytest

from mirage.training.report.about import ABOUT


@pytest.mark.parametrize(
    ("classes", "caption"),
    [
        (0, "A hundred samples."),
        (6, "A hundred samples; the 6 classes take turns."),
        (10, "One class per column."),
        (26, "The first ten classes, one per column."),
    ],
)
def test_the_caption_of_the_grid_says_where_the_classes_are(classes: int, caption: str) -> None:
    sheet = {"shape": [8, 8, 1], "classes": [str(number) for number in range(classes)]}
    assert ABOUT["generate"].grid(sheet) == caption
