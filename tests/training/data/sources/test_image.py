import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.options import DataOptions
from mirage.training.data.sources.image import Form, normalise, open_picture, to_pixels
from mirage.training.errors import DataError
from tests.training.helpers.files import encode, ramp

RED, CLEAR = (255, 0, 0, 255), (9, 9, 9, 0)
EXIF_ORIENTATION = 0x0112


def read(content: bytes, channels: int = 3, size: tuple[int, int] = (4, 4), **options: object):
    """The pixels of a picture, decoded to the given shape."""
    chosen = DataOptions(**options)
    form = Form(*size, channels)
    return to_pixels(normalise(open_picture(content), chosen), form, chosen)


def mode_of(picture: Image.Image, form: str = "PNG", **options: object) -> str:
    return normalise(open_picture(encode(picture, form)), DataOptions(**options)).mode


@pytest.mark.parametrize(
    ("mode", "seen"),
    [("1", "L"), ("L", "L"), ("LA", "RGBA"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA")],
)
def test_channels_follow_the_mode_of_the_picture(mode: str, seen: str) -> None:
    picture = Image.fromarray(ramp(8, 8, 4))
    picture = picture.convert("RGB").convert(mode) if mode in "1P" else picture.convert(mode)
    assert mode_of(picture) == seen


def test_drops_an_opaque_alpha_channel() -> None:
    assert mode_of(Image.new("RGBA", (4, 4), RED)) == "RGB"
    assert mode_of(Image.new("LA", (4, 4), (7, 255))) == "L"


def test_a_palette_with_a_transparent_colour_has_alpha() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 250, 0, 0])
    picture.putpixel((0, 0), 0)
    pixels = read(encode(picture, transparency=0), channels=4)
    assert pixels[0, 0].tolist() == [0, 0, 0, 0]
    assert pixels[1, 1].tolist() == [250, 0, 0, 255]


def test_sixteen_bit_pictures_keep_their_brightness() -> None:
    levels = np.arange(16, dtype=np.uint16).reshape(4, 4) * 4369
    pixels = read(encode(Image.fromarray(levels)), channels=1)
    assert pixels[..., 0].flatten().tolist() == [17 * level for level in range(16)]


def test_rejects_floating_point_pixels() -> None:
    content = encode(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(ValueError, match="floating-point"):
        read(content)


def test_converts_cmyk_to_rgb() -> None:
    cyan = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    red, green, blue = read(encode(cyan, "JPEG", quality=100))[0, 0].astype(int)
    assert red < 40 < 200 < min(green, blue)


def test_applies_exif_rotation() -> None:
    upright = ramp(8, 4)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # rotate by 90 degrees clockwise to display
    content = encode(Image.fromarray(np.rot90(upright)), exif=exif)
    np.testing.assert_array_equal(read(content, size=(8, 4)), upright)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_reads_the_first_frame_of_an_animation(form: str) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    lossless = {"lossless": True} if form == "WEBP" else {}
    content = encode(first, form, save_all=True, append_images=[second], **lossless)
    assert read(content)[0, 0].tolist() == [255, 0, 0]


def test_composites_transparency_over_a_colour() -> None:
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    pixels = read(encode(half), alpha="composite", background="blue")
    assert pixels[0, 0].tolist() == [128, 0, 127]
    assert mode_of(Image.new("LA", (4, 4), (7, 0)), alpha="composite") == "L"
    assert mode_of(Image.new("LA", (4, 4), (7, 0)), alpha="composite", background="red") == "RGB"


def test_three_channels_composite_transparency() -> None:
    hidden = encode(Image.new("RGBA", (4, 4), CLEAR))
    chosen = DataOptions(channels=3)
    pixels = to_pixels(normalise(open_picture(hidden), chosen), Form(4, 4, 3), chosen)
    assert (pixels == 255).all()


def test_invisible_colours_are_black() -> None:
    picture = Image.new("RGBA", (4, 4), CLEAR)
    picture.putpixel((1, 0), RED)
    pixels = read(encode(picture), channels=4)
    assert pixels[0, :2].tolist() == [[0, 0, 0, 0], [255, 0, 0, 255]]


def test_invisible_colours_do_not_bleed_when_resizing() -> None:
    picture = Image.new("RGBA", (8, 8), (0, 255, 0, 0))
    picture.paste(RED, (0, 0, 4, 8))
    chosen = DataOptions(size=(4, 4))
    pixels = to_pixels(normalise(picture, chosen), Form(4, 4, 4), chosen)
    assert pixels[..., 1].max() == 0


def test_crops_the_centre_to_the_aspect_ratio() -> None:
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    assert (to_rgb(wide, (4, 4)) == 200).all()


def to_rgb(pixels: np.ndarray, size: tuple[int, int], **more: object) -> np.ndarray:
    chosen = DataOptions(size=size, **more)
    picture = normalise(Image.fromarray(pixels), chosen)
    return to_pixels(picture, Form(*size, 3), chosen)


def test_crop_none_stretches_the_picture() -> None:
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 16:] = 200
    pixels = to_rgb(wide, (8, 8), crop="none")
    assert pixels.shape == (8, 8, 3)
    assert (pixels[:, 0] < 10).all()
    assert (pixels[:, 7] > 190).all()


def test_padding_keeps_the_aspect_ratio() -> None:
    pixels = to_rgb(np.full((4, 16, 3), 200, np.uint8), (8, 8), crop="pad", background="#010203")
    assert pixels[0, 0].tolist() == [1, 2, 3]
    assert (pixels[3:5] == 200).all()
    assert (pixels[:3] == [1, 2, 3]).all()


def test_padding_does_not_enlarge() -> None:
    pixels = to_rgb(np.full((4, 4, 3), 200, np.uint8), (8, 8), crop="pad")
    assert (pixels[2:6, 2:6] == 200).all()
    assert (pixels == 200).all(axis=2).sum() == 16


def test_smaller_pictures_are_enlarged_only_on_request() -> None:
    small = np.full((4, 8, 3), 200, np.uint8)
    with pytest.raises(ValueError, match="is 8x4, smaller than --size 8x8, and --upscale"):
        to_rgb(small, (8, 8))
    assert (to_rgb(small, (8, 8), upscale=True) == 200).all()


def test_reducing_averages_pixels() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(to_rgb(stripes, (8, 8)).astype(int) - 127).max() <= 8


def test_a_jpeg_decoded_at_reduced_size_looks_the_same() -> None:
    rows, columns = np.indices((512, 512))
    smooth = np.stack([rows // 2, columns // 2, (rows + columns) // 4], axis=2).astype(np.uint8)
    content = encode(Image.fromarray(smooth), "JPEG", quality=95)
    picture = open_picture(content)
    chosen = DataOptions(size=(32, 32))
    pixels = to_pixels(normalise(picture, chosen), Form(32, 32, 3), chosen)
    assert picture.size == (64, 64)
    whole = np.asarray(Image.fromarray(smooth).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(pixels.astype(int) - whole).max() <= 4


@pytest.mark.parametrize(
    ("picture", "channels", "said"),
    [
        (
            Image.new("RGB", (4, 4)),
            1,
            "has colour, .* pass --channels 3 to keep it or --channels 1",
        ),
        (Image.new("RGBA", (4, 4)), 3, "has transparency, .* --channels 4 .* --alpha composite"),
        (Image.new("RGB", (8, 4)), 3, "is 8x4, but the images before it are 4x4; .* --size"),
    ],
)
def test_rejects_a_picture_of_another_shape(picture: Image.Image, channels: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(encode(picture), channels)


def test_does_not_open_postscript() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        open_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")


@pytest.mark.parametrize("after", [False, True])
def test_large_texts_and_profiles_do_not_matter(after: bool) -> None:
    """Pillow rejects compressed texts of more than a megabyte, but the pixels are whole."""
    plain = encode(Image.new("L", (8, 8), 7))
    packed = zlib.compress(bytes(2 << 20))
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"zTXt", b"k\0\0" + packed), (b"iCCP", b"k\0\0" + packed))
    )
    place = len(plain) - 12 if after else 33  # before IEND, or after IHDR
    content = plain[:place] + chunks + plain[place:]
    assert read(content, 1, (8, 8)).max() == 7
