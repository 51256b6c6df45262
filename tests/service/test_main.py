"""`python -m service verify`, and what wrong arguments are answered."""

from pathlib import Path

import pytest

from bundle.store import new_version
from service.__main__ import main
from tests.bundles import Toy, write_toy


def test_a_good_bundle_is_verified(models_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(models_root / "toy/1")]) == 0
    assert capsys.readouterr().out.startswith("toy@1 verified: 0 grey levels at most")


def test_a_bundle_whose_golden_images_differ_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        (draft.path / "model.onnx").write_bytes(Toy(seed=5).model().SerializeToString())
        path = draft.publish(Toy().description())
    assert main(["verify", str(path)]) == 4
    assert capsys.readouterr().err.startswith("error: the golden images differ: ")


def test_what_is_no_bundle_is_bad_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 3
    assert capsys.readouterr().err.startswith("error: ")


def test_a_missing_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["verify"])
    assert "bundle" in capsys.readouterr().err


def test_a_value_out_of_bounds_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "70000"]) == 2
    assert capsys.readouterr().err.startswith("error: MIRAGE_PORT is '70000'; ")
