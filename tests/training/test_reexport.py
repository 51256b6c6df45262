from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.manifest import Score
from mirage.bundle.verify import load_bundle
from mirage.training.card import Card
from mirage.training.errors import DataError
from mirage.training.export import publish
from mirage.training.reexport import republish
from tests.bundles import reseal
from tests.training.snapshots import config_of, make_snapshot, sheet_of

SCORES = {"coverage": Score(value=0.5, floor=0.96, n=5000)}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The first version of a model, without directions, as older exports made it."""
    snapshot = make_snapshot(tmp_path)
    card = Card("Squares", "cc0-1.0", "apache-2.0")
    to = tmp_path / "models" / "toy"
    path = publish(snapshot, config_of(), sheet_of(snapshot), to, SCORES, card)
    (path / "directions.png").unlink()
    reseal(path, directions=[])
    return path


def test_a_bundle_gets_directions_as_a_new_version(published: Path) -> None:
    folder = republish(published, published.parent)
    old, new = load_bundle(published), load_bundle(folder)
    assert (folder.name, len(new.manifest.directions)) == ("2", 6)
    assert (folder / "directions.png").exists()
    assert new.model == old.model
    assert new.manifest.description.model_copy(update={"directions": ()}) == (
        old.manifest.description
    )


def test_the_same_bundle_is_exported_again_once(published: Path) -> None:
    second = republish(published, published.parent)
    assert republish(published, published.parent) == second
    assert republish(second, published.parent) == second


def test_the_card_is_kept_under_its_new_title(published: Path) -> None:
    folder = republish(published, published.parent.with_name("other"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    before = (published / "README.md").read_text(encoding="utf-8")
    assert text == before.replace("# toy@1\n", "# other@1\n")
    assert "Data: Squares." in text
    assert text != before


def test_the_card_is_written_anew_when_told(published: Path) -> None:
    folder = republish(published, published.parent, Card("Circles"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "# toy@2\n" in text
    assert "Data: Circles." in text


def test_a_bundle_without_a_card_gets_one(published: Path) -> None:
    (published / "README.md").unlink()
    reseal(published, directions=[])
    assert "# toy@2\n" in (republish(published, published.parent) / "README.md").read_text()


def test_a_bundle_that_does_not_verify_is_not_exported(published: Path) -> None:
    (published / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.onnx has 0 bytes"):
        republish(published, published.parent)


def test_a_bundle_without_weights_is_not_exported(published: Path) -> None:
    (published / "weights.safetensors").unlink()
    reseal(published)
    with pytest.raises(DataError, match="holds no generator"):
        republish(published, published.parent)
