"""The model card of a bundle: Markdown with the front matter that model hubs read."""

from dataclasses import dataclass

from mirage.bundle.manifest import Description

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Card:
    """What only a person knows of a model: where its data come from, and the licences."""

    data: str = "not stated"
    data_license: str = UNKNOWN
    license: str = UNKNOWN
    limits: str = "It generates images like those it was trained on, and nothing else."


def model_card(name: str, version: int, description: Description, card: Card) -> str:
    """The text of the bundle's README.md."""
    return "\n".join(
        [
            *_front_matter(card),
            "",
            f"# {name}@{version}",
            "",
            f"![100 samples: seeds 0 to 99, {_columns(description)}](samples.png)",
            "",
            *_what(description),
            "",
            *_directions(description),
            "## Data and licence",
            "",
            f"Data: {card.data}. Licence of the data: {card.data_license}. "
            f"Licence of the model: {card.license}.",
            "",
            "## Scores",
            "",
            *_scores(description),
            "",
            "## Training",
            "",
            *_training(description),
            "",
            "## Limits",
            "",
            card.limits,
            "",
        ]
    )


def _front_matter(card: Card) -> list[str]:
    lines = ["---", "library_name: onnxruntime", "pipeline_tag: unconditional-image-generation"]
    return [*lines, "tags: [gan, onnx]", f"license: {card.license}", "---"]


def _columns(description: Description) -> str:
    return "one class per column" if description.num_classes else "no classes"


def _what(description: Description) -> list[str]:
    image = description.image
    kind = {1: "grey", 3: "RGB", 4: "RGBA"}[image.channels]
    classes = f"classes {', '.join(description.labels)}" if description.labels else "no classes"
    return [
        f"A GAN generator of {image.width}x{image.height} {kind} images, {classes}. "
        f"Input: `latents` float32 [N, {description.latent_dim}]"
        + (", `labels` int64 [N]" if description.labels else "")
        + f"; output: `images` uint8 [N, {image.height}, {image.width}, {image.channels}]. "
        f"ONNX opset {description.opset}."
    ]


def _directions(description: Description) -> list[str]:
    if not description.directions:
        return []
    shares = ", ".join(f"{direction.strength:.0%}" for direction in description.directions)
    return [
        "## Directions",
        "",
        "![Each row a direction; three seeds, each moved by -3 to 3](directions.png)",
        "",
        f"Shares of the first layer's variance: {shares}.",
        "",
    ]


def _scores(description: Description) -> list[str]:
    if not description.scores:
        return ["Not scored."]
    rows = [
        f"| {name.replace('_', ' ')} | {score.value:.4g} | "
        f"{'-' if score.floor is None else f'{score.floor:.4g}'} | {score.n or '-'} |"
        for name, score in description.scores.items()
    ]
    head = ["| score | this model | real data against real data | images |", "|---|---|---|---|"]
    return head + rows


def _training(description: Description) -> list[str]:
    training = description.training
    return [
        f"Preset `{training.preset}`, seed {training.seed}, {training.kimg:g} thousand images, "
        f"PyTorch {training.torch_version}, Mirage {training.code_version}. "
        f"Data fingerprint `{training.data_fingerprint}`."
    ]
