import math
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.manifest import Score
from mirage.training.errors import DataError
from mirage.training.gate import Check
from mirage.training.result import Result, failure, read_result, result_file, write_result


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    check = Check(
        score="frechet", threshold="max_frechet_ratio", limit=math.inf, value=2, bound=math.inf
    )
    result = Result(
        model="toy",
        outcome="refused",
        exit_code=4,
        stage="gate",
        scores={"frechet": Score(value=2, floor=0.5, n=10)},
        checks=(check,),
        reasons=("too far off",),
    )
    write_result(tmp_path / "run", result)
    assert read_result(tmp_path / "run") == result


def test_no_result_and_a_broken_one_are_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    result_file(tmp_path).write_text('{"model": "toy"')
    assert read_result(tmp_path) is None


def test_an_error_becomes_a_failure_with_its_exit_code() -> None:
    failed = failure("toy", DataError("no images"))
    assert (failed.outcome, failed.exit_code, failed.reasons) == ("failed", 3, ("no images",))
    assert failure("toy", BundleError("locked", "busy")).exit_code == 5
    assert failure("toy", BundleError("graph_invalid", "broken")).exit_code == 3
