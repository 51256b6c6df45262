from pathlib import Path

import pytest

from mirage.bundle.manifest import Score
from mirage.training.errors import DataError
from mirage.training.scorecard import (
    Scorecard,
    known_scorecard,
    read_scorecard,
    scores_file,
    table,
    write_scorecard,
)


def card(**changes: object) -> Scorecard:
    fields = {
        "scores": {"frechet": Score(value=2.5, floor=0.5, n=10)},
        "spread": {"frechet": 0.25},
        "collapsed": {"frechet": 99.0},
        "seeds": 3,
        "network": "a network",
        "network_sha256": "a" * 64,
        "data_fingerprint": "d" * 64,
        "sizes": {"generated": 10, "reference": 50},
        "full": False,
        "seconds": 1.5,
    }
    return Scorecard.model_validate(fields | changes)


def test_survives_its_file(tmp_path: Path) -> None:
    path = scores_file(tmp_path / "000001000.safetensors")
    assert path.name == "000001000.scores.json"
    assert read_scorecard(path) is None
    write_scorecard(path, card())
    assert read_scorecard(path) == card()


def test_a_file_that_is_no_scorecard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "000001000.scores.json"
    path.write_text('{"frechet": 1}')
    with pytest.raises(DataError, match="evaluate again"):
        read_scorecard(path)
    assert known_scorecard(path) is None
    write_scorecard(path, card())
    assert known_scorecard(path) == card()


def test_the_table_has_all_numbers_and_says_what_they_compare_with() -> None:
    lines = list(table(card()))
    assert lines[1].split() == ["frechet", "2.5000", "0.2500", "0.5000", "99.0000", "10"]
    text = "\n".join(lines)
    assert "comparable only on data dddddddddddd" in text
    assert "rough: 10 generated against 50 real images" in text
    assert "rough" not in "\n".join(table(card(full=True)))


@pytest.mark.parametrize(
    "changes",
    [{"network_sha256": "b" * 64}, {"data_fingerprint": "e" * 64}, {"sizes": {"generated": 9}}],
)
def test_compares_only_what_was_measured_alike(changes: dict[str, object]) -> None:
    assert card().compares_with(card(scores={}))
    assert not card().compares_with(card(**changes))
