"""Scores of upscalers, next to bicubic, Lanczos and sharpened bicubic."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from mirage.training.data.crops import over
from mirage.training.data.degradation import degrade, enlarge, reduce
from mirage.training.data.sources.pictures import Picture
from mirage.training.evaluation.method_scores import text_table
from mirage.training.evaluation.scores.image_quality import gmsd, ssim
from mirage.training.evaluation.scores.natural_scenes import (
    natural_scene_distance,
    natural_scene_features,
)
from mirage.training.optim.fidelity import luma, psnr
from mirage.training.runs.run_dir import write_text

Enlarge = Callable[[np.ndarray], np.ndarray]
CARD_SUFFIX = ".restoration.json"
OURS, BICUBIC, REAL = "model", "bicubic", "real"
SHARPEN = ImageFilter.UnsharpMask(radius=2, percent=80, threshold=0)
"""Raises bicubic's PSNR on photographs, as a stronger baseline."""
ROWS, VIEW = 8, 256
"""Rows of the sheet, and side of each picture in pixels."""
WHITE = np.full(3, 255, np.uint8)
COLUMNS: dict[str, tuple[str, bool]] = {
    "psnr_y": ("PSNR of luma in dB, borders of the scale cut off", True),
    "ssim_y": ("structural similarity of luma", True),
    "gmsd": ("deviation of gradient similarity", False),
    "consistency": ("grey levels between the input and the answer made small again", False),
    "natural_scenes": ("distance of scene statistics to those of other real pictures", False),
}
"""The scores, and whether larger is better."""


class RestorationCard(BaseModel):
    """Mean scores by method, and the picture with the smallest gain of the model over bicubic.

    natural_scenes of `real`: real pictures compared with other real ones, which is the lower limit.
    degrade: degradations of the low resolution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: int
    pictures: int
    data_fingerprint: str
    scores: dict[str, dict[str, float]]
    worst: str
    worst_gain: float
    worst_psnr: float
    below_bicubic: int
    degrade: tuple[str, ...] = ()
    seconds: float


@dataclass(frozen=True)
class Restored:
    """One picture enlarged by one method. quality: scores of single pictures by name."""

    luma: np.ndarray
    quality: dict[str, float]


def score_restoration(
    model: Enlarge,
    pictures: Sequence[Picture],
    scale: int,
    fingerprint: str,
    degradations: Sequence[str] = (),
) -> RestorationCard:
    """Reduce each picture, enlarge it with every method, and compare with the original.

    model: uint8 [H, W, C] -> uint8 [s * H, s * W, C]. Transparent pictures are composited over
    white. Scores use the luma of uint8 pixels without a border of `scale` pixels, the convention of
    the literature. Given low-resolution pictures are used instead of reduced ones. degradations:
    applied in order to the low resolution, with random strengths that follow a picture's name.
    """
    began = time.perf_counter()
    methods = {OURS: model} | _plain_methods(scale)
    made: dict[str, list[Restored]] = {name: [] for name in methods}
    truths = []
    for picture in tqdm(pictures, desc="enlarging", unit="picture", leave=False):
        high, low = _twins(picture, scale, degradations)
        truths.append(_inner(high, scale))
        for name, method in methods.items():
            made[name].append(_restored(method(low), truths[-1], low, scale))
    gains = _gains(made)
    worst = int(np.argmin(gains))
    return RestorationCard(
        scale=scale,
        pictures=len(pictures),
        data_fingerprint=fingerprint,
        scores=_means(made, truths),
        worst=pictures[worst].name,
        worst_gain=float(gains[worst]),
        worst_psnr=made[OURS][worst].quality["psnr_y"],
        below_bicubic=int((gains < 0).sum()),
        degrade=tuple(degradations),
        seconds=round(time.perf_counter() - began, 1),
    )


def degraded_by(degradations: Sequence[str]) -> str:
    """What follows the word "pictures"."""
    return f", degraded by {', '.join(degradations)}" if degradations else ""


def table(card: RestorationCard) -> Iterator[str]:
    """Lines of text: one row per score, one column per method."""
    yield from text_table(COLUMNS, card.scores)
    yield (
        f"worst of {card.pictures}: {card.worst}, {card.worst_gain:+.3f} dB against bicubic "
        f"({card.worst_psnr:.2f} dB); {card.below_bicubic} are below bicubic"
    )


def comparison_sheet(
    model: Enlarge,
    pictures: Sequence[Picture],
    worst: str,
    scale: int,
    degradations: Sequence[str] = (),
) -> np.ndarray:
    """Rows of low resolution, bicubic, model and original: the worst picture, then some others.

    uint8 [rows * side, 4 * side, C]
    """
    others = [picture for picture in pictures if picture.name != worst]
    step = max(1, len(others) // (ROWS - 1))
    chosen = [picture for picture in pictures if picture.name == worst] + others[::step]
    bicubic = _plain_methods(scale)[BICUBIC]
    rows = []
    for picture in chosen[:ROWS]:
        high, low = _twins(picture, scale, degradations)
        coarse = enlarge(low, scale, Image.Resampling.NEAREST)
        place = _busiest(high)
        views = (coarse, bicubic(low), model(low), high)
        rows.append(np.concatenate([_padded(view[place]) for view in views], axis=1))
    return np.concatenate(rows)


def _busiest(pixels: np.ndarray) -> tuple[slice, slice]:
    """Of some evenly spaced squares of a picture, the one with the most detail."""
    height, width = pixels.shape[:2]
    side = min(VIEW, height, width)
    tops, lefts = (np.linspace(0, n - side, 5).astype(int) for n in (height, width))
    places = [(slice(y, y + side), slice(x, x + side)) for y in tops for x in lefts]
    return max(places, key=lambda place: float(pixels[place].std()))


def _padded(pixels: np.ndarray) -> np.ndarray:
    """Paste a picture on a white square of the sheet's size."""
    square = np.full((VIEW, VIEW, pixels.shape[2]), 255, np.uint8)
    square[: pixels.shape[0], : pixels.shape[1]] = pixels
    return square


def restoration_file(snapshot: Path, pictures: str) -> Path:
    """The path of a snapshot's scores on a set of pictures; its sheet is a PNG next to it."""
    return snapshot.with_suffix(f".{pictures}{CARD_SUFFIX}")


def read_cards(snapshot: Path) -> dict[str, RestorationCard]:
    """A snapshot's cards by the names of the sets of pictures."""
    files = sorted(snapshot.parent.glob(f"{snapshot.stem}.*{CARD_SUFFIX}"))
    start = len(snapshot.stem) + 1
    return {file.name[start : -len(CARD_SUFFIX)]: read_card(file) for file in files}


def write_card(path: Path, card: RestorationCard) -> None:
    """Write the card as JSON, atomically."""
    write_text(path, card.model_dump_json(indent=2) + "\n")


def read_card(path: Path) -> RestorationCard:
    """Read a card of `write_card`."""
    return RestorationCard.model_validate_json(path.read_bytes())


def _plain_methods(scale: int) -> dict[str, Enlarge]:
    """The methods without a network, implemented by Pillow."""

    def bicubic(low: np.ndarray) -> np.ndarray:
        return enlarge(low, scale, Image.Resampling.BICUBIC)

    def sharpened(low: np.ndarray) -> np.ndarray:
        image = Image.fromarray(bicubic(low).squeeze()).filter(SHARPEN)
        return np.asarray(image).reshape(image.height, image.width, -1)

    return {
        BICUBIC: bicubic,
        "lanczos": lambda low: enlarge(low, scale, Image.Resampling.LANCZOS),
        "sharpened": sharpened,
    }


def _twins(
    picture: Picture, scale: int, degradations: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The picture, cropped to a multiple of the scale, and its low resolution."""
    height, width = (side // scale * scale for side in picture.pixels.shape[:2])
    high = over(picture.pixels[:height, :width], WHITE)
    low = reduce(high, scale) if picture.low is None else picture.low
    return high, degrade(low, degradations, np.random.default_rng(crc32(picture.name.encode())))


def _inner(pixels: np.ndarray, scale: int) -> np.ndarray:
    return luma(pixels)[scale:-scale, scale:-scale]


def _restored(pixels: np.ndarray, truth: np.ndarray, low: np.ndarray, scale: int) -> Restored:
    inner = _inner(pixels, scale)
    again = reduce(pixels, scale).astype(np.float64)
    quality = {
        "psnr_y": psnr(inner, truth),
        "ssim_y": ssim(inner, truth),
        "gmsd": gmsd(inner, truth),
        "consistency": float(np.abs(again - low).mean()),
    }
    return Restored(inner, quality)


def _gains(made: dict[str, list[Restored]]) -> np.ndarray:
    ours, plain = (
        np.array([each.quality["psnr_y"] for each in made[name]]) for name in (OURS, BICUBIC)
    )
    return ours - plain


def _means(
    made: dict[str, list[Restored]], truths: Sequence[np.ndarray]
) -> dict[str, dict[str, float]]:
    """Means by method and score; scene statistics compare even pictures with odd real ones."""
    scores = {
        name: {key: float(np.mean([e.quality[key] for e in each])) for key in each[0].quality}
        for name, each in made.items()
    }
    others = natural_scene_features(truths[1::2])
    sets = {name: [each.luma for each in all_[::2]] for name, all_ in made.items()}
    for name, lumas in (sets | {REAL: list(truths[::2])}).items():
        distance = natural_scene_distance(natural_scene_features(lumas), others)
        if distance is not None:
            scores.setdefault(name, {})["natural_scenes"] = distance
    return scores
