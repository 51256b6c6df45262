"""What a bundle has for people: the model card in Markdown, samples, and latent directions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mirage.bundle.format.card import CardData, front_matter
from mirage.bundle.format.interface import OutputMeaning
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Description, Direction
from mirage.bundle.format.outputs import output_of
from mirage.training.media.medium import Medium
from mirage.training.media.pixels import contact_sheet
from mirage.training.media.reading import medium_of_bundle
from mirage.training.runs.checkpoint import Snapshot

UNKNOWN = "unknown"
PIPELINES: dict[OutputMeaning, str] = {
    "images": "unconditional-image-generation",
    "audio": "text-to-audio",
    "tokens": "text-generation",
}
"""Tasks of the Hugging Face Hub; those of sounds and texts are the nearest that it has."""
PHRASES: dict[OutputMeaning, str] = {
    "images": "{} images",
    "audio": "sounds ({})",
    "tokens": "sequences ({})",
}
"""What a generator makes, with its form."""
LIMITS = "It generates {} like those it was trained on, and nothing else."


@dataclass(frozen=True)
class ModelCard:
    """What only a person knows of a model: where its data come from, and the licences.

    data_id: of the data set on the Hugging Face Hub, if it is there. credits: Markdown that names
    the authors of the data. limits: what the model does badly.
    """

    data: str = "not stated"
    data_license: str = UNKNOWN
    license: str = UNKNOWN
    credits: str = ""
    limits: str = ""
    data_id: str = ""


def model_card(
    name: str,
    version: int,
    description: Description,
    card: ModelCard,
    begun_from: str | None = None,
    guide: str = "",
    examples: Sequence[str] = (),
) -> str:
    """The text of the bundle's README.md.

    begun_from: the model whose weights it began with. guide: the trained network whose features its
    discriminator saw. examples: samples as text, one for each seed from 0 on.
    """
    return "\n".join(
        [
            *front_matter(
                card_data(card, name, version, PIPELINES[description.made], "gan"),
                {card.data: description.scores},
            ),
            "",
            f"# {name}@{version}",
            "",
            f"![100 samples: seeds 0 to 99, {_columns(description)}](samples.png)",
            "",
            *_what(description),
            "",
            *_examples(examples),
            *_directions(description),
            *data_and_licence(card, begun_from),
            "## Scores",
            "",
            *_scores(description),
            "",
            "## Training",
            "",
            training_line(description),
            "",
            *_guidance(guide),
            *limits_of(card, LIMITS.format(medium_of_bundle(description).noun)),
            *credits_of(card),
        ]
    )


def card_data(card: ModelCard, name: str, version: int, pipeline: str, kind: str) -> CardData:
    """What the front matter says of a version; pipeline: the task, in the words of the Hub."""
    datasets = (card.data_id,) if card.data_id else ()
    return CardData(f"{name}@{version}", pipeline, kind, card.license, datasets)


def data_and_licence(card: ModelCard, begun_from: str | None) -> list[str]:
    """Where data and weights come from, and what may be done with them and with the model."""
    return [
        "## Data and licence",
        "",
        f"Data: {card.data}. Licence of the data: {card.data_license}. "
        f"Licence of the model: {card.license}.",
        "",
        *_beginning(begun_from),
    ]


def _beginning(begun_from: str | None) -> list[str]:
    if not begun_from:
        return []
    return [f"Training began with the weights of `{begun_from}`; its licence and credits hold.", ""]


def _guidance(guide: str) -> list[str]:
    if not guide:
        return []
    return [f"Features of {guide}, guided the training. They are not part of this model.", ""]


def limits_of(card: ModelCard, known: str) -> list[str]:
    """What models of a task cannot do, and what this one does badly."""
    return ["## Limits", "", f"{known} {card.limits}".strip(), ""]


def credits_of(card: ModelCard) -> list[str]:
    """The authors of the data; none where nobody is named."""
    return ["## Credits", "", card.credits.strip(), ""] if card.credits else []


def _columns(description: Description) -> str:
    if not description.num_classes:
        return "no classes"
    return "one class per column" if description.num_classes <= GRID else "classes in turn"


def _what(description: Description) -> list[str]:
    output = description.outputs[0]
    made = PHRASES[description.made].format(output_of(description).form(description))
    classes = f"classes {', '.join(description.labels)}" if description.labels else "no classes"
    return [
        f"A GAN generator of {made}, {classes}. "
        f"Input: `latents` float32 [N, {description.latent_dim}]"
        + (", `labels` int64 [N]" if description.labels else "")
        + f"; output: `{output.name}` {output.dtype} [{', '.join(map(str, output.shape))}]. "
        f"ONNX opset {description.opset}."
    ]


def _examples(examples: Sequence[str]) -> list[str]:
    if not examples:
        return []
    title = f"## Seeds 0 to {len(examples) - 1}, unselected"
    return [title, "", *(f"    {text}" for text in examples), ""]


def _directions(description: Description) -> list[str]:
    if not description.directions:
        return []
    shares = ", ".join(f"{direction.strength:.0%}" for direction in description.directions)
    return [
        "## Directions",
        "",
        f"![{_strips_caption(description)}](directions.png)",
        "",
        f"Shares of the first layer's variance: {shares}.",
        "",
    ]


def _strips_caption(description: Description) -> str:
    if _is_flat(medium_of_bundle(description)):
        return "Seven rows for each direction, from -3 to 3; each column a seed"
    return "Each row a direction; three seeds, each moved by -3 to 3"


def _scores(description: Description) -> list[str]:
    if not description.scores:
        return ["Not scored."]
    rows = [
        f"| {name.replace('_', ' ')} | {score.value:.4g} | "
        f"{'-' if score.floor is None else f'{score.floor:.4g}'} | {score.n or '-'} |"
        for name, score in description.scores.items()
    ]
    head = ["| score | this model | real data against real data | samples |", "|---|---|---|---|"]
    return head + rows


def training_line(description: Description) -> str:
    """What a model was trained with."""
    training = description.training
    return (
        f"Preset `{training.preset}`, seed {training.seed}, {training.kimg:g} thousand samples, "
        f"PyTorch {training.torch_version}, Mirage {training.code_version}. "
        f"Data fingerprint `{training.data_fingerprint}`."
    )


GRID = 10
SEEDS = 3
AMOUNTS = np.arange(-3, 4, dtype=np.float32)
FLAT = 4
"""Width by height from which samples are compared below each other rather than side by side."""
WIDEST = 2000
"""Pixels of a row of direction strips of flat samples."""
GAP = 14
"""Pixels between directions and between seeds of flat samples."""


def sample_grid(snapshot: Snapshot) -> np.ndarray:
    """A grid of seeds 0 … 99: uint8 [H, W] or [H, W, C].

    Up to ten classes have columns of their own; more follow each other in rows.
    Large images are shown smaller, by a whole factor.
    """
    latents = _latents(snapshot, GRID * GRID)
    places = np.arange(GRID * GRID)
    many = snapshot.architecture.num_classes > GRID
    labels = _labels(snapshot, places if many else places % GRID)
    samples = snapshot.generate(latents, labels)
    return _sheet(snapshot, samples, snapshot.architecture.medium.columns)


def direction_strips(snapshot: Snapshot, directions: tuple[Direction, ...]) -> np.ndarray:
    """Seeds 0 … 2, each moved by -3 … 3 along every direction: uint8 as a sample grid.

    A row per direction, with the amounts of each seed in columns. Of flat samples, such as
    sequences, the amounts are below each other, with as many seeds beside each other as fit, and a
    gap between directions and seeds. Of a conditional model each seed shows another class.
    """
    medium = snapshot.architecture.medium
    flat = _is_flat(medium)
    many = min(SEEDS, max(1, WIDEST // (medium.picture_size[1] + GAP))) if flat else SEEDS
    seeds, amounts = np.repeat(np.arange(many), len(AMOUNTS)), np.tile(AMOUNTS, many)[:, None]
    base, labels = _latents(snapshot, many)[seeds], _labels(snapshot, seeds)
    vectors = np.array([direction.vector for direction in directions], np.float32)
    rows = [snapshot.generate(base + amounts * vector, labels) for vector in vectors]
    if flat:
        return _stack([medium.pictures(row) for row in rows], many)
    return _sheet(snapshot, np.concatenate(rows), len(amounts))


def _is_flat(medium: Medium) -> bool:
    height, width = medium.picture_size
    return width >= FLAT * height


def _stack(rows: Sequence[np.ndarray], seeds: int) -> np.ndarray:
    """Pictures [seeds * amounts, H, W, C] of each direction, the amounts below each other."""
    height, width, channels = rows[0].shape[1:]
    moved = np.reshape(rows, (len(rows), seeds, len(AMOUNTS), height, width, channels))
    blocks = moved.transpose(0, 2, 3, 1, 4, 5).reshape(len(rows), -1, seeds, width, channels)
    apart = np.pad(blocks, ((0, 0), (0, GAP), (0, 0), (0, GAP), (0, 0)))
    return apart.reshape(-1, seeds * (width + GAP), channels)[:-GAP, :-GAP].squeeze()


def _sheet(snapshot: Snapshot, samples: np.ndarray, columns: int) -> np.ndarray:
    medium = snapshot.architecture.medium
    sheet = contact_sheet(medium.pictures(samples), columns).squeeze()
    factor = -(-max(medium.picture_size) // medium.shown_side)
    return np.asarray(Image.fromarray(sheet).reduce(factor)) if factor > 1 else sheet


def _latents(snapshot: Snapshot, seeds: int) -> np.ndarray:
    latent_dim = snapshot.architecture.latent_dim
    return np.concatenate([draw_latents(seed, 0, 1, latent_dim)[0] for seed in range(seeds)])


def _labels(snapshot: Snapshot, classes: np.ndarray) -> np.ndarray | None:
    """int64 labels for images that should show these classes, as far as there are so many."""
    num_classes = snapshot.architecture.num_classes
    return classes.astype(np.int64) % num_classes if num_classes else None
