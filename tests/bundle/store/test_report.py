import json
from pathlib import Path

from mirage.bundle.format.interface import picture_tensors
from mirage.bundle.store.release import release
from mirage.bundle.store.report import card, columns, table
from tests.bundles import make_bundle


def test_columns_are_aligned() -> None:
    assert columns([["a", "bb", "c"], ["aaa", "b", ""]]) == "a    bb  c\naaa  b"


def test_the_table_shows_releases(tmp_path: Path) -> None:
    for channels in (1, 3, 4):
        make_bundle(tmp_path, channels=channels, labels=("a", "b") if channels == 1 else ())
    release(tmp_path, "toy", 1)
    release(tmp_path, "toy", 3)
    rows = [line.split() for line in table(tmp_path).splitlines()[1:]]
    assert [row[2] for row in rows] == ["previous", "-", "released"]
    assert [row[5:] for row in rows] == [
        ["12x8", "grey", "2", "toy", "1.5"],
        ["12x8", "RGB", "-", "toy", "1.5"],
        ["12x8", "RGBA", "-", "toy", "1.5"],
    ]


def test_the_table_shows_a_canary(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    make_bundle(tmp_path)
    record = '{"version": 1, "canary": {"version": 2, "share": 0.05}}'
    (tmp_path / "toy" / "release.json").write_text(record)
    assert "canary 5%" in table(tmp_path).splitlines()[2]


def test_the_table_shows_broken_versions_with_their_reason(tmp_path: Path) -> None:
    for name in ("bad", "good"):
        make_bundle(tmp_path, name)
    (tmp_path / "bad" / "1" / "manifest.json").write_text("{}")
    (tmp_path / "good" / "release.json").write_text("{}")
    rows = [line.split()[:3] for line in table(tmp_path).splitlines()[1:]]
    assert rows == [["bad", "1", "manifest_invalid"], ["good", "1", "release_unreadable"]]


def test_the_table_of_an_empty_store_has_only_headings(tmp_path: Path) -> None:
    assert table(tmp_path).split()[:2] == ["MODEL", "VERSION"]


def test_a_card_shows_all_fields(tmp_path: Path) -> None:
    make_bundle(tmp_path, labels=("cat", "dog"))
    text = card(tmp_path, "toy", 1)
    for part in ("toy@1", "cat, dog", "12x8 grey", "2.5, floor 0.5, of 10,000 images", "sha256"):
        assert part in text
    assert "50.0%, 25.0%" in text


def test_a_card_shows_that_a_model_has_no_classes(tmp_path: Path) -> None:
    make_bundle(tmp_path, labels=())
    assert "none: unconditional" in card(tmp_path, "toy", 1)


def test_a_model_of_pictures_tells_its_scale_and_how_pictures_are_cut(tmp_path: Path) -> None:
    file = make_bundle(tmp_path, labels=()) / "manifest.json"
    tensors = {
        name: [tensor.model_dump(mode="json") for tensor in each]
        for name, each in picture_tensors(3, 4).items()
    }
    rules = {
        "scale": 4,
        "multiple": 1,
        "halo": 12,
        "border": "replicate",
        "degradation": "bicubic, jpeg",
    }
    changes = {"task": "upscale", "directions": [], "pictures": rules, **tensors}
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert "x4 RGB" in table(tmp_path)
    text = card(tmp_path, "toy", 1)
    for part in ("pictures uint8 [N, H, W, 3]", "images uint8 [N, 4*H, 4*W, 3]", "bicubic, jpeg"):
        assert part in text
    assert "latent_dim" not in text
