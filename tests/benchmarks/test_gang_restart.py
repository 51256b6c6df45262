"""Two machines of which one is killed, in short."""

from pathlib import Path

from benchmarks.runs.gang_restart import STEPS_PER_CHECKPOINT, Kill, choose_kills, measure


def test_kills_are_in_ascending_order_and_within_the_run() -> None:
    kills = choose_kills(5, 20, seed=1)
    assert [kill.step for kill in kills] == sorted({kill.step for kill in kills})
    assert all(0 < kill.step < 20 and kill.machine in (0, 1) for kill in kills)
    assert choose_kills(5, 20, seed=1) == kills


def test_a_restarted_gang_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    """Machine 1 is lost in a step that is no checkpoint; machine 0, with the folder, notices."""
    found = measure(tmp_path, [Kill(machine=1, step=8)], steps=12)
    assert found["steps_lost"] == [8 - STEPS_PER_CHECKPOINT]
    assert found["weights_difference"] < 1e-6
    assert not found["folders_beside_rank_0"]
    said = (tmp_path / "broken" / "log-0").read_text()
    assert "error: another process has ended or does not answer (" in said
