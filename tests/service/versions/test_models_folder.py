"""What is said if there is no folder of models."""

from pathlib import Path

import pytest

from mirage.service.drawing.choice import choose_bundle
from mirage.service.errors import StartError
from mirage.service.versions.models_folder import check_models_folder


def test_a_folder_is_accepted_even_if_it_is_empty(tmp_path: Path) -> None:
    check_models_folder(tmp_path)


def test_without_a_folder_the_error_names_the_place_and_the_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartError, match=rf"at {tmp_path}/models; run .* --models"):
        check_models_folder(Path("models"))


def test_drawing_without_a_server_says_so_too(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no folder of models at"):
        choose_bundle(tmp_path / "absent", "mnist", None, "generate")


def test_a_run_is_to_be_published_first(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").touch()
    with pytest.raises(StartError, match="mine is a run; publish it first: mirage export"):
        choose_bundle(tmp_path, "mine", None, "generate")
