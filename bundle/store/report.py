"""Text output of a store: a table of all versions, and a card of one version."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.details import Symbols
from mirage.bundle.format.interface import describe
from mirage.bundle.format.manifest import IMPORTED, Manifest, Score
from mirage.bundle.format.outputs import COLOURS, output_of
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import list_models, list_versions, version_path
from mirage.bundle.store.release import Release, read_release

HEADINGS = ("MODEL", "VERSION", "STATE", "CREATED", "OUTPUT", "CLASSES", "PRESET", "KIMG")
Listing = tuple[str, Iterable[int], Callable[[], Release | None], Callable[[int], Manifest]]
"""Of a model: name, versions, how to read its release, and how to read a manifest."""


def table(root: Path) -> str:
    """A table of all versions; invalid ones show the reason of their error."""
    return table_of(
        (
            name,
            list_versions(root, name),
            partial(read_release, root, name),
            partial(_manifest, root, name),
        )
        for name in list_models(root)
    )


def table_of(models: Iterable[Listing]) -> str:
    """A table of versions, wherever they are."""
    rows = [row for model in models for row in _model_rows(*model)]
    return columns([HEADINGS, *rows])


def card(root: Path, name: str, version: int) -> str:
    """All fields of the manifest of one version; raises BundleError."""
    manifest = read_manifest(version_path(root, name, version))
    return columns(list(_card_rows(manifest)))


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text in columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def _model_rows(
    name: str,
    versions: Iterable[int],
    release: Callable[[], Release | None],
    manifest_of: Callable[[int], Manifest],
) -> Iterator[Sequence[str]]:
    try:
        current, fault = release(), ""
    except BundleError as error:
        current, fault = None, error.reason
    for version in versions:
        state = fault or _state(current, version)
        try:
            manifest = manifest_of(version)
        except BundleError as error:
            yield name, str(version), error.reason, *[""] * 5
        else:
            yield name, str(version), state, *_facts(manifest)


def _manifest(root: Path, name: str, version: int) -> Manifest:
    return read_manifest(version_path(root, name, version))


def _state(current: Release | None, version: int) -> str:
    if current is None:
        return "-"
    if current.canary and version == current.canary.version:
        return f"canary {current.canary.share:.0%}"
    return {current.version: "released", current.previous: "previous"}.get(version, "-")


def _facts(manifest: Manifest) -> tuple[str, str, str, str, str]:
    return (
        f"{manifest.created:%Y-%m-%d %H:%M}",
        _shape(manifest),
        str(manifest.num_classes or "-"),
        manifest.training.preset,
        "-" if manifest.training.preset == IMPORTED else f"{manifest.training.kimg:,.1f}",
    )


def _card_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield label and text of each line of a card."""
    yield "model", f"{manifest.name}@{manifest.version}"
    yield "created", f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC"
    yield "task", manifest.task
    yield from _generator_rows(manifest) if manifest.pictures is None else _picture_rows(manifest)
    yield "golden tolerance", f"{manifest.golden_tolerance:g} {output_of(manifest).unit}"
    if manifest.members:
        yield "members", ", ".join(f"{m.version} (weight {m.weight:g})" for m in manifest.members)
    for key, value in manifest.training:
        yield f"training {key}", str(value)
    for name, score in manifest.scores.items():
        yield f"score {name}", _score(score)
    for name, entry in manifest.files.items():
        yield f"file {name}", f"{entry.size_bytes:,} bytes, sha256 {entry.sha256}"


def _generator_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "graph", f"opset {manifest.opset}, latent_dim {manifest.latent_dim}"
    yield manifest.made, _shape(manifest)
    if manifest.sequence is not None:
        yield "alphabet", _alphabet(manifest.sequence)
    yield "labels", ", ".join(manifest.labels) or "none: unconditional"
    yield "truncation", manifest.truncation
    yield "directions", ", ".join(f"{d.strength:.1%}" for d in manifest.directions) or "none"


def _picture_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "graph", f"opset {manifest.opset}"
    yield "input", describe(manifest.inputs)
    yield "output", describe(manifest.outputs)
    for name, value in manifest.pictures or ():
        yield name, str(value)


def _alphabet(symbols: Symbols) -> str:
    ends = "" if symbols.padding is None else f"; {symbols.padding!r} ends a sequence"
    return f"{symbols.alphabet}{ends}"


def _score(score: Score) -> str:
    floor = "" if score.floor is None else f", floor {score.floor:g}"
    images = "" if score.n is None else f", of {score.n:,} images"
    return f"{score.value:g}{floor}{images}"


def _shape(manifest: Manifest) -> str:
    """`x4 RGB` for models of pictures, otherwise the form of what is made: `28x28 grey`."""
    if manifest.pictures:
        return f"x{manifest.pictures.scale} {COLOURS[manifest.inputs[0].sizes[3] or 0]}"
    return output_of(manifest).form(manifest)
