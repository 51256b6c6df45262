"""The model card and the manifest's scores of a network that draws pictures in another style."""

from collections.abc import Iterator

from mirage.bundle.format.card import front_matter
from mirage.bundle.format.manifest import Description, Score
from mirage.training.evaluation.method_scores import markdown_table
from mirage.training.evaluation.translation import COLUMNS, OURS, REAL, SOURCE, TranslationCard
from mirage.training.publish.model_card import (
    ModelCard,
    card_data,
    credits_of,
    data_and_licence,
    limits_of,
    training_line,
)
from mirage.training.publish.pictures.card import tiles_of

LIMITS = (
    "It changes lines and colours, and keeps the shapes of what it is given. Pictures unlike those "
    "of training, or of another size, are drawn less well."
)
CAPTION = "Triples of held-out source, translation and, if there is one, twin; the worst come last"


def translator_card(
    name: str,
    version: int,
    description: Description,
    card: ModelCard,
    scores: TranslationCard | None,
    begun_from: str | None = None,
) -> str:
    """The text of the bundle's README.md; begun_from: whose weights training began with."""
    return "\n".join(
        [
            *front_matter(
                card_data(card, name, version, "image-to-image", "style-transfer"),
                _results(scores),
            ),
            "",
            f"# {name}@{version}",
            "",
            f"![{CAPTION}](samples.png)",
            "",
            *_what(description),
            "",
            *data_and_licence(card, begun_from),
            "## Scores",
            "",
            *_scores(scores),
            "## Training",
            "",
            training_line(description),
            "",
            *limits_of(card, LIMITS),
            *credits_of(card),
        ]
    )


def translation_scores(card: TranslationCard | None) -> dict[str, Score]:
    """The model's scores, and those of the untouched source, for the manifest."""
    if card is None:
        return {}
    floors = card.scores[REAL]
    ours = {
        name: Score(value=value, floor=floors.get(name), n=card.pictures)
        for name, value in card.scores[OURS].items()
    }
    source = {
        f"{name}_{SOURCE}": Score(value=value, n=card.pictures)
        for name, value in card.scores[SOURCE].items()
    }
    return ours | source


def _results(card: TranslationCard | None) -> dict[str, dict[str, Score]]:
    """The model's own scores, by the name of the set of pictures."""
    if card is None:
        return {}
    return {"held-out": {name: Score(value=value) for name, value in card.scores[OURS].items()}}


def _what(description: Description) -> Iterator[str]:
    if form := description.pictures:
        yield "A network that draws pictures in another style, at the same size."
        yield (
            f"Input: `{description.inputs[0]}`, with sides that are multiples of {form.multiple}; "
            f"output: `{description.outputs[0]}`. ONNX opset {description.opset}. {tiles_of(form)}"
        )


def _scores(card: TranslationCard | None) -> Iterator[str]:
    if card is None:
        yield from ("Not scored.", "")
        return
    yield f"{card.pictures} held-out pictures, {card.twins} of them with a twin in the other style."
    yield f"Nearest pictures are searched among {card.candidates}, no two of one group."
    yield ""
    titles = {OURS: "this model", SOURCE: "untouched source", REAL: "real targets"}
    yield from markdown_table(COLUMNS, card.scores, titles)
    yield ""
