"""Verification of a bundle without running its model."""

import os
from dataclasses import dataclass
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import Folder, open_folder
from mirage.bundle.format.golden import Golden, read_golden
from mirage.bundle.format.interface import ENCODER
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.manifest import Manifest, parse_manifest
from mirage.bundle.format.weights import LENGTH_BYTES, check_weights


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    model: the serialized ONNX graph. Build the engine from these bytes, which were verified, rather
    than from the file, which may have changed. encoder: the same for `encoder.onnx`, or None.
    """

    path: Path
    manifest: Manifest
    model: bytes
    golden: Golden
    encoder: bytes | None = None


def load_bundle(path: Path, limits: Limits = DEFAULT_LIMITS) -> Bundle:
    """Read and verify the bundle in `models/<name>/<version>`; the golden images are not computed.

    Raises BundleError; `ensemble` if the version is an ensemble, which has no graph.
    """
    with open_folder(path) as folder:
        manifest = _read_manifest(folder, limits)
        if manifest.members:
            name = f"{manifest.name}@{manifest.version}"
            raise BundleError("ensemble", f"{name} is an ensemble; use one of its members")
        return verify_files(folder, manifest, limits)


def read_manifest(path: Path, limits: Limits = DEFAULT_LIMITS) -> Manifest:
    """Read only the manifest of `models/<name>/<version>`; raises BundleError."""
    with open_folder(path) as folder:
        return _read_manifest(folder, limits)


def read_file(path: Path, manifest: Manifest, name: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Read one file of the bundle in `path` and verify it against its manifest.

    Raises BundleError `file_missing` if the manifest does not list it, or another `file_…`.
    """
    if name not in manifest.files:
        raise BundleError("file_missing", f"{path} has no {name}")
    limit_bytes = limits.file_bytes(name)
    with open_folder(path) as folder:
        return folder.scan(name, manifest.files[name], limit_bytes, keep_bytes=limit_bytes)


def verify_files(folder: Folder, manifest: Manifest, limits: Limits = DEFAULT_LIMITS) -> Bundle:
    """Verify the files of an open folder against a manifest; the folder's name is not checked."""
    # Imported here because onnx takes longer to import than the rest of this package.
    from mirage.bundle.format.graph import check_encoder, check_graph

    starts = check_files(folder, manifest, limits)
    if weights := manifest.files.get("weights.safetensors"):
        start = starts["weights.safetensors"]
        check_weights(start, weights.size_bytes, limits.weights_header_bytes)
    check_graph(starts["model.onnx"], manifest, limits)
    encoder = starts.get(ENCODER)
    if encoder is not None:
        check_encoder(encoder, manifest, limits)
    golden = read_golden(starts["golden.npz"], manifest, limits)
    return Bundle(folder.path, manifest, starts["model.onnx"], golden, encoder)


def check_files(
    folder: Folder, manifest: Manifest, limits: Limits = DEFAULT_LIMITS
) -> dict[str, bytes]:
    """Verify the names, sizes and hashes of an open folder's files; raises BundleError `file_…`.

    Returns the leading bytes of each file that later checks need.
    """
    _check_listing(folder, manifest)
    return {
        name: folder.scan(name, entry, limits.file_bytes(name), _kept_bytes(name, limits))
        for name, entry in manifest.files.items()
    }


def _read_manifest(folder: Folder, limits: Limits) -> Manifest:
    manifest = parse_manifest(folder.read("manifest.json", limits.manifest_bytes))
    absolute = Path(os.path.abspath(folder.path))
    expected, found = (absolute.parent.name, absolute.name), (manifest.name, str(manifest.version))
    if found != expected:
        raise BundleError(
            "manifest_mismatch",
            f"the manifest says {'@'.join(found)}; its folder is {'/'.join(expected)}",
        )
    return manifest


def _check_listing(folder: Folder, manifest: Manifest) -> None:
    unlisted = set(folder.names()) - {*manifest.files, "manifest.json"}
    if unlisted:
        raise BundleError(
            "file_unlisted", f"the manifest does not list {', '.join(sorted(unlisted))!r:.200}"
        )


def _kept_bytes(name: str, limits: Limits) -> int:
    """The number of leading bytes that later checks need; the rest is only hashed."""
    if name == "weights.safetensors":
        return LENGTH_BYTES + limits.weights_header_bytes
    return limits.file_bytes(name) if name in ("model.onnx", "golden.npz", ENCODER) else 0
