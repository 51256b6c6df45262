"""Which folders a model may be published to."""

from pathlib import Path

import pytest

from mirage.training.errors import UsageError
from mirage.training.publish.destination import open_destination


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "mine" / "1").mkdir(parents=True)
    return tmp_path / "models"


@pytest.mark.parametrize("to", ["mine/1", "mine/2", "new/1"])
def test_a_version_is_no_model(models: Path, to: str) -> None:
    said = rf"--to is {models / to}, a version; name the model: {(models / to).parent}$"
    with pytest.raises(UsageError, match=said):
        open_destination(str(models / to), models)


def test_nor_is_a_version_in_object_storage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a version; name the model: s3://bucket/models/mine$"):
        open_destination("s3://bucket/models/mine/1/", tmp_path)


def test_nor_is_a_folder_of_models(models: Path) -> None:
    with pytest.raises(UsageError, match=f"a folder of models; name a model: {models / 'mine'}$"):
        open_destination(str(models), models)


@pytest.mark.parametrize("name", ["mine", "new"])
def test_a_model_is_also_one_that_is_new_or_that_holds_a_stray_version(
    models: Path, name: str
) -> None:
    (models / "mine" / "1" / "1").mkdir()
    assert open_destination(str(models / name), models).name == name
