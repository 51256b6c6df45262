"""A published bundle is exported again, from its own weights: for what newer exports have."""

from functools import partial
from pathlib import Path

from mirage.bundle.manifest import Description, Manifest
from mirage.bundle.verify import load_bundle, read_file
from mirage.training.card import Card, model_card
from mirage.training.directions import find_directions
from mirage.training.export import GOLDEN_TOLERANCE, OPSET, export_onnx, publish_graph
from mirage.training.snapshot import load_snapshot

CARD = "README.md"


def republish(bundle: Path, to: Path, card: Card | None = None) -> Path:
    """Export, check and publish the weights of a bundle as the next version of the folder `to`.

    Labels, training and scores are the bundle's; so is the model card, but for its title, unless
    `card` says what to write anew. Answers and raises as `export.publish`, and BundleError for a
    bundle that does not verify, DataError for one without weights.
    """
    manifest = load_bundle(bundle).manifest
    snapshot = load_snapshot(bundle / "weights.safetensors")
    news = {
        "opset": OPSET,
        "golden_tolerance": GOLDEN_TOLERANCE,
        "directions": find_directions(snapshot.generator.latent_weight()),
    }
    description = manifest.description.model_copy(update=news)
    if card is None and CARD in manifest.files:
        write_card = partial(_retitled, read_file(bundle, manifest, CARD).decode(), manifest)
    else:
        write_card = partial(model_card, card=card or Card())
    return publish_graph(snapshot, export_onnx(snapshot), description, to, write_card)


def _retitled(text: str, old: Manifest, name: str, version: int, _: Description) -> str:
    """A model card under the name and version of another one."""
    return text.replace(f"# {old.name}@{old.version}\n", f"# {name}@{version}\n", 1)
