"""The model card of an imported generator."""

from dataclasses import dataclass

from mirage.bundle.format.card import CardData, front_matter
from mirage.bundle.format.manifest import Description
from mirage.service.importing.source import Source

COLOURS = {1: "grey", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Origin:
    """What only a person knows of an imported model. credits: Markdown that names its authors."""

    license: str
    data: str = "not stated"
    credits: str = ""


def imported_card(
    name: str, version: int, description: Description, source: Source, origin: Origin
) -> str:
    """The text of the bundle's README.md."""
    image = description.image
    classes = f"{description.num_classes} classes" if description.labels else "no classes"
    files = [f"| `{file}` | `{sha256}` |" for file, sha256 in source.hashes.items()]
    data = CardData(
        title=f"{name}@{version}",
        pipeline="unconditional-image-generation",
        kind="gan",
        license=origin.license,
    )
    return "\n".join(
        [
            *front_matter(data, {}),
            "",
            f"# {name}@{version}",
            "",
            "![64 samples: seeds 0 to 63](samples.png)",
            "",
            f"A generator of {image.width}x{image.height} {COLOURS[image.channels]} images,"
            f" {classes}. Input: `latents` float32 [N, {description.latent_dim}]"
            + (", `labels` int64 [N]" if description.labels else "")
            + f"; output: `images` uint8 [N, {image.height}, {image.width}, {image.channels}]."
            f" ONNX opset {description.opset}.",
            "",
            "## Origin",
            "",
            "Imported, not trained by Mirage; it cannot be fine-tuned. Its golden images are those"
            " of the source file. Not scored.",
            "",
            "| source file | sha256 |",
            "|---|---|",
            *files,
            "",
            f"Data: {origin.data}. Licence of the model: {origin.license}.",
            *(["", "## Credits", "", origin.credits.strip()] if origin.credits else []),
            "",
        ]
    )
