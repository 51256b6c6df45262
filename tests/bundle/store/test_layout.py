from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_models, list_versions, model_path, version_path


def test_lists_models_with_versions_sorted(tmp_path: Path) -> None:
    for path in ("zebra/1", "ant/2", "ant/10", "empty", ".hidden/1", "Upper/1", "docs/text"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "file").touch()
    assert list_models(tmp_path) == ["ant", "zebra"]


def test_sorts_versions_numerically(tmp_path: Path) -> None:
    for name in ("10", "9", "1", "0", "01", "-1", ".draft-11", "1.5", "v2", "²", "1234567890"):
        (tmp_path / "ant" / name).mkdir(parents=True)
    (tmp_path / "ant" / "12").touch()
    assert list_versions(tmp_path, "ant") == [1, 9, 10]


def test_paths_are_as_documented(tmp_path: Path) -> None:
    assert model_path(tmp_path, "a_b-c") == tmp_path / "a_b-c"
    assert version_path(tmp_path, "ant", 12) == tmp_path / "ant" / "12"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/a", "Ant", "-a", "a" * 64, "a\n"])
def test_rejects_an_invalid_model_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not match") as caught:
        model_path(tmp_path, name)
    assert caught.value.reason == "name_invalid"


@pytest.mark.parametrize("version", [0, -1, 10**9])
def test_rejects_an_invalid_version(version: int, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        version_path(tmp_path, "ant", version)
    assert caught.value.reason == "name_invalid"


def test_reports_missing_folders(tmp_path: Path) -> None:
    for look in (lambda: list_models(tmp_path / "gone"), lambda: list_versions(tmp_path, "gone")):
        with pytest.raises(BundleError, match="No such file") as caught:
            look()
        assert caught.value.reason == "not_found"
