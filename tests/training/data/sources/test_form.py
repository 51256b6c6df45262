from pathlib import Path

import pytest
from PIL import Image

from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.file_tree import HEADER_BYTES
from mirage.training.errors import DataError
from tests.training.helpers.files import encode, png, ramp, write_tree

CLEAR = png((255, 0, 0, 0), mode="RGBA")
OPAQUE = png((255, 0, 0, 255), mode="RGBA")


def write(folder: Path, **counts: int) -> Path:
    kinds = {"clear": CLEAR, "opaque": OPAQUE, "grey": png(9), "red": png("red", mode="RGB")}
    names = [f"{kind}{n:03}" for kind, count in counts.items() for n in range(count)]
    return write_tree(folder, {f"{name}.png": kinds[name[:-3]] for name in names})


def test_one_transparent_picture_among_many_is_composited(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "data", clear=1, red=33), cache=tmp_path)
    assert data.images.shape == (34, 8, 8, 3)
    assert data.images[0, 0, 0].tolist() == [255, 255, 255]
    assert data.notes == (
        "1 of 34 images are transparent, fewer than 10%, and are drawn over #ffffff; "
        "--channels 4 keeps transparency",
    )
    kept = load_dataset(tmp_path / "data", options=DataOptions(channels=4), cache=tmp_path)
    assert kept.images[:2, 0, 0, 3].tolist() == [0, 255]


def test_a_tenth_of_transparent_pictures_makes_all_rgba(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "data", clear=4, grey=36), cache=tmp_path)
    assert data.images.shape == (40, 8, 8, 4)
    assert data.notes == ("4 of 40 images are transparent; the others get an alpha channel",)


def test_opaque_alpha_channels_do_not_count(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "data", opaque=9), cache=tmp_path)
    assert (data.images.shape[3], data.notes) == (3, ())


def test_one_colour_picture_makes_all_rgb(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "data", grey=200, red=1), cache=tmp_path)
    assert data.images.shape[3] == 3
    assert data.notes == ("200 of 201 images are grey and made RGB",)


def test_the_training_images_decide_for_both_splits(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train", red=9)
    write(tmp_path / "data" / "test", clear=5)
    train, test = load_splits(tmp_path / "data", cache=tmp_path)
    assert train.images.shape[1:] == test.images.shape[1:] == (8, 8, 3)


def test_names_the_sizes_and_a_size_for_all(tmp_path: Path) -> None:
    files = {f"{n}.png": png(size=(50, 40)) for n in range(20)}
    files |= {f"x{n}.png": png(size=(90, 30)) for n in range(20)} | {"tiny.png": png(size=(4, 4))}
    folder = write_tree(tmp_path / "data", files)
    said = r"3 sizes, 50x40 \(20\), 90x30 \(20\), 4x4 \(1\); .* such as --size 48x28 "
    with pytest.raises(DataError, match=said):
        load_dataset(folder, cache=tmp_path)
    data = load_dataset(folder, options=DataOptions(size=(48, 28)), cache=tmp_path)
    assert (len(data), data.broken) == (40, 1)
    assert data.notes == (
        "3 sizes, made 48x28: 50x40 (20), 90x30 (20), 4x4 (1)",
        "left out: tiny.png is 4x4, smaller than --size 48x28, and --upscale is not set",
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_counts_a_turned_photograph_by_the_size_that_is_shown(tmp_path: Path, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode(Image.new("L", (12, 8)), format, exif=exif)
    files = {f"a.{format.lower()}": turned, "b.png": png(size=(8, 12))}
    assert load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path).images.shape[1] == 12


def test_names_the_flags_for_pictures_smaller_than_the_size(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", grey=20)
    said = r"20 of 20 images of .* smaller than --size 64x64, the smallest 8x8; pass --upscale"
    with pytest.raises(DataError, match=said):
        load_dataset(folder, options=DataOptions(size=(64, 64)), cache=tmp_path)


def test_reads_png_files_longer_than_what_is_read_of_a_header(tmp_path: Path) -> None:
    noise = Image.fromarray(ramp(160, 160))
    files = {f"{n}.png": encode(noise) for n in range(9)}
    assert len(files["0.png"]) > HEADER_BYTES
    data = load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path)
    assert (data.images.shape, data.notes) == ((9, 160, 160, 3), ())
