"""The model card of a network that enlarges pictures."""

from collections.abc import Iterator, Mapping

from mirage.bundle.format.card import front_matter
from mirage.bundle.format.manifest import Description, PictureModel, Score
from mirage.training.evaluation.method_scores import markdown_table
from mirage.training.evaluation.restoration import COLUMNS, OURS, RestorationCard, degraded_by
from mirage.training.publish.model_card import (
    ModelCard,
    card_data,
    credits_of,
    data_and_licence,
    limits_of,
    training_line,
)

LIMITS = (
    "It draws details that are likely, which need not be those that were there: an enlarged "
    "picture is no evidence. Pictures unlike those of training, or made small in another way, "
    "gain less."
)


def upscaler_card(
    name: str,
    version: int,
    description: Description,
    card: ModelCard,
    scores: Mapping[str, RestorationCard],
    begun_from: str | None = None,
) -> str:
    """The text of the bundle's README.md; scores: by the names of the sets of pictures.

    begun_from: the model whose weights training began with.
    """
    caption = "Rows of low resolution, bicubic, this model, and the picture"
    return "\n".join(
        [
            *front_matter(
                card_data(card, name, version, "image-to-image", "super-resolution"),
                _results(scores),
            ),
            "",
            f"# {name}@{version}",
            "",
            f"![{caption}](samples.png)",
            "",
            *_what(description),
            "",
            *data_and_licence(card, begun_from),
            "## Scores",
            "",
            *_scores(description, scores),
            "## Training",
            "",
            training_line(description),
            "",
            *limits_of(card, LIMITS),
            *credits_of(card),
        ]
    )


def _what(description: Description) -> Iterator[str]:
    if form := description.pictures:
        yield f"A network that makes {_kind(description)} pictures {form.scale} times as large."
        yield (
            f"Input: `{description.inputs[0]}`; output: `{description.outputs[0]}`. "
            f"ONNX opset {description.opset}. {tiles_of(form)} "
            f"Low resolution in training: {form.degradation}."
        )


def _kind(description: Description) -> str:
    return "grey" if description.inputs[0].sizes[3] == 1 else "RGB"


def tiles_of(form: PictureModel) -> str:
    """How far a pixel depends on others."""
    return (
        f"No pixel depends on any that is more than {form.halo} pixels of the input away, so tiles "
        "with such a halo give the bytes of the whole picture."
    )


def _results(scores: Mapping[str, RestorationCard]) -> dict[str, dict[str, Score]]:
    """The model's own scores, by the names of the sets of pictures."""
    return {
        name: {score: Score(value=value) for score, value in card.scores.get(OURS, {}).items()}
        for name, card in scores.items()
    }


def _scores(description: Description, scores: Mapping[str, RestorationCard]) -> Iterator[str]:
    if not scores:
        yield from ("Not scored.", "")
    for name, card in scores.items():
        own = card.data_fingerprint == description.training.data_fingerprint
        kind = f"{'held-out' if own else 'other'} pictures{degraded_by(card.degrade)}"
        yield f"### {name}: {card.pictures} {kind}"
        yield ""
        yield from markdown_table(COLUMNS, card.scores, {OURS: "this model"})
        yield ""
        yield (
            f"Least gain over bicubic: `{card.worst}`, {card.worst_gain:+.2f} dB "
            f"({card.worst_psnr:.2f} dB). Below bicubic: {card.below_bicubic} of {card.pictures}."
        )
        yield ""
