"""Scores of translators, next to those of the untouched source and of real targets."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from mirage.training.data.sources.pictures import Picture
from mirage.training.data.sources.styles import StyleSet
from mirage.training.data.style_crops import rectangle
from mirage.training.evaluation.method_scores import text_table
from mirage.training.evaluation.scores.image_quality import gmsd
from mirage.training.evaluation.scores.metrics import frechet_distance
from mirage.training.evaluation.scores.retrieval import share_found
from mirage.training.media.pixels import contact_sheet
from mirage.training.networks.resampled import MULTIPLE
from mirage.training.optim.fidelity import luma
from mirage.training.runs.run_dir import write_text

Convert = Callable[[np.ndarray], np.ndarray]
CARD_SUFFIX = ".translation.json"
OURS, SOURCE, REAL = "model", "source", "real"
PATCH, STEP = 8, 4
"""Side of the patches that are compared, and the distance between them, in pixels."""
MOST_PATCHES = 200_000
CANDIDATES = 256
ROWS, ACROSS, WORST_ROWS = 8, 4, 2
"""Rows of the sheet, translations in each, and how many of the rows show the worst."""
VIEW = 96
COLUMNS: dict[str, tuple[str, bool]] = {
    "patch_distance": ("Fréchet distance of 8x8 patches to those of other targets", False),
    "source_found": ("share whose own source is the nearest of all candidates", True),
    "twin_l1": ("mean absolute difference to the twin, in [-1, 1]", False),
    "twin_gmsd": ("deviation of gradient similarity to the twin", False),
    "twin_found": ("share whose own twin is the nearest of all candidates", True),
}
"""The scores, and whether larger is better."""


class TranslationCard(BaseModel):
    """Mean scores of the model, of the untouched source, and of real targets.

    pictures: held-out sources. twins: those of them that have a twin. candidates: pictures among
    which one is searched. worst: the picture with the largest difference to its twin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int
    twins: int
    candidates: int
    data_fingerprint: str
    scores: dict[str, dict[str, float]]
    worst: str = ""
    seconds: float


def score_translation(model: Convert, styles: StyleSet) -> tuple[TranslationCard, np.ndarray]:
    """Translate the held-out sources, and compare them with targets and with their twins.

    model: uint8 [H, W, C] -> the same shape. Patches are compared with those of the training
    targets; for real targets, the held-out ones. Twins of another size than their source are left
    out. Answers the card and a sheet of sources, translations and twins.
    """
    began = time.perf_counter()
    pictures = styles.source.held_out
    sources = [rectangle(picture, MULTIPLE) for picture in pictures]
    made = [model(each) for each in tqdm(sources, desc="translating", unit="picture", leave=False)]
    sets = {OURS: made, SOURCE: sources}
    scores = _style_scores(sets, styles)
    candidates = _one_of_each_group(pictures)
    scores[OURS]["source_found"] = share_found(
        _chosen(made, candidates), _chosen(sources, candidates)
    )
    places, twins = _twins(styles, sources)
    worst, errors = "", np.zeros(len(pictures))
    if places:
        for name, images in sets.items():
            scores[name] |= _twin_scores([images[place] for place in places], twins)
        errors[places] = [_l1(made[p], twin) for p, twin in zip(places, twins, strict=True)]
        worst = pictures[int(errors.argmax())].name
        candidates = _one_of_each_group([pictures[place] for place in places])
        for name, images in sets.items():
            answers = _chosen([images[place] for place in places], candidates)
            scores[name]["twin_found"] = share_found(answers, _chosen(twins, candidates))
    card = TranslationCard(
        pictures=len(pictures),
        twins=len(places),
        candidates=len(candidates),
        data_fingerprint=styles.fingerprint,
        scores=scores,
        worst=worst,
        seconds=round(time.perf_counter() - began, 1),
    )
    return card, _sheet(sources, made, dict(zip(places, twins, strict=True)), errors)


def table(card: TranslationCard) -> Iterator[str]:
    """Lines of text: one row per score, one column per method."""
    yield from text_table(COLUMNS, card.scores)
    yield (
        f"{card.pictures} held-out pictures, {card.twins} with twins, {card.candidates} candidates"
    )
    if card.worst:
        yield f"furthest from its twin: {card.worst}"


def translation_file(snapshot: Path) -> Path:
    """The path of a snapshot's scores; its sheet is a PNG next to it."""
    return snapshot.with_suffix(CARD_SUFFIX)


def write_card(path: Path, card: TranslationCard, sheet: np.ndarray) -> None:
    """Write the card as JSON, atomically, and its sheet."""
    Image.fromarray(sheet.squeeze()).save(path.with_suffix(".png"))
    write_text(path, card.model_dump_json(indent=2) + "\n")


def read_card(path: Path) -> TranslationCard | None:
    """Read a card of `write_card`; None if there is none."""
    if not path.exists():
        return None
    return TranslationCard.model_validate_json(path.read_bytes())


def _style_scores(
    sets: dict[str, list[np.ndarray]], styles: StyleSet
) -> dict[str, dict[str, float]]:
    """Patches of each set, and of the held-out targets, against those of the training targets."""
    others = _patches([rectangle(picture, 1) for picture in styles.target.pictures])
    real = [rectangle(picture, 1) for picture in styles.target.held_out]
    return {
        name: {"patch_distance": frechet_distance(_patches(images), others)}
        for name, images in (sets | {REAL: real}).items()
    }


def _patches(images: Sequence[np.ndarray]) -> np.ndarray:
    """Patches on a grid, float32 [N, PATCH * PATCH * C] in [-1, 1]; evenly thinned if too many."""
    found = []
    for image in images:
        windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), axis=(0, 1))
        channels = image.shape[2]
        found.append(windows[::STEP, ::STEP].reshape(-1, channels * PATCH * PATCH))
    patches = np.concatenate(found)
    step = -(-len(patches) // MOST_PATCHES)
    return patches[::step].astype(np.float32) / 127.5 - 1


def _one_of_each_group(pictures: Sequence[Picture]) -> list[int]:
    """Indices of at most CANDIDATES pictures, evenly spread, no two of one group."""
    first = {picture.group: place for place, picture in reversed(list(enumerate(pictures)))}
    places = sorted(first.values())
    chosen = np.linspace(0, len(places) - 1, min(CANDIDATES, len(places))).astype(int)
    return [places[number] for number in chosen]


def _chosen(images: Sequence[np.ndarray], places: Sequence[int]) -> list[np.ndarray]:
    return [images[place] for place in places]


def _twins(styles: StyleSet, sources: Sequence[np.ndarray]) -> tuple[list[int], list[np.ndarray]]:
    """Indices of the held-out sources with twins of their size, and these twins."""
    place_of = {picture.name: place for place, picture in enumerate(styles.source.held_out)}
    places, twins = [], []
    for source, target in styles.held_out_twins:
        place, twin = place_of[source.name], rectangle(target, MULTIPLE)
        if twin.shape == sources[place].shape:
            places.append(place)
            twins.append(twin)
    return places, twins


def _twin_scores(images: Sequence[np.ndarray], twins: Sequence[np.ndarray]) -> dict[str, float]:
    pairs = list(zip(images, twins, strict=True))
    return {
        "twin_l1": float(np.mean([_l1(image, twin) for image, twin in pairs])),
        "twin_gmsd": float(np.mean([gmsd(luma(image), luma(twin)) for image, twin in pairs])),
    }


def _l1(image: np.ndarray, twin: np.ndarray) -> float:
    return float(np.abs(image.astype(np.float64) - twin).mean() / 127.5)


def _sheet(
    sources: Sequence[np.ndarray],
    made: Sequence[np.ndarray],
    twins: dict[int, np.ndarray],
    errors: np.ndarray,
) -> np.ndarray:
    """Triples of source, translation and twin (or pairs), evenly spread; the worst come last."""
    places = sorted(twins) or list(range(len(sources)))
    worst = sorted(places, key=lambda place: -errors[place])[: WORST_ROWS * ACROSS if twins else 0]
    others = [place for place in places if place not in worst]
    count = ROWS * ACROSS - len(worst)
    spread = np.linspace(0, len(others) - 1, min(count, len(others))).astype(int)
    shown = [others[number] for number in spread] + worst
    sets = (sources, made, twins) if twins else (sources, made)
    views = [_view(images[place]) for place in shown for images in sets]
    return contact_sheet(np.stack(views), ACROSS * len(sets))


def _view(pixels: np.ndarray) -> np.ndarray:
    """A picture as a square of the sheet, enlarged without smoothing if it is small."""
    height, width = pixels.shape[:2]
    factor = max(1, VIEW // max(height, width))
    larger = pixels[:VIEW, :VIEW].repeat(factor, axis=0).repeat(factor, axis=1)
    square = np.full((VIEW, VIEW, pixels.shape[2]), 255, np.uint8)
    square[: larger.shape[0], : larger.shape[1]] = larger
    return square
