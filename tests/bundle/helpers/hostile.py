"""Faults of bundles, each made from a valid bundle."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.manifest import FORMAT_VERSION
from tests.bundles import Toy, reseal

SIZE = 2**31


def tensors(latent_dim: int = 5, num_classes: int = 10) -> dict[str, Any]:
    """The manifest fields `inputs` and `outputs` of a toy with these sizes."""
    found = generator_tensors(latent_dim, num_classes, Image(height=8, width=12, channels=1))
    return {name: [tensor.model_dump() for tensor in found[name]] for name in found}


def change_a_byte(path: Path) -> None:
    model = bytearray((path / "model.onnx").read_bytes())
    model[-1] ^= 1
    (path / "model.onnx").write_bytes(model)


def cut_short(path: Path) -> None:
    model = (path / "model.onnx").read_bytes()
    (path / "model.onnx").write_bytes(model[: len(model) // 2])


def cut_short_and_reseal(path: Path) -> None:
    cut_short(path)
    reseal(path)


def replace_by_a_symbolic_link(path: Path) -> None:
    shutil.move(path / "model.onnx", path.parent / "outside")
    (path / "model.onnx").symlink_to("../outside")


def replace_by_a_hard_link(path: Path) -> None:
    os.link(path / "model.onnx", path.parent / "outside")


def link_one_file_to_another(path: Path) -> None:
    (path / "more.md").symlink_to("README.md")
    reseal(path)


def put_more_in(path: Path) -> None:
    (path / "more.txt").write_text("more")


def put_a_folder_in(path: Path) -> None:
    (path / "more").mkdir()


def take_golden_out(path: Path) -> None:
    (path / "golden.npz").unlink()


def make_it_huge_and_sparse(path: Path) -> None:
    os.truncate(path / "model.onnx", SIZE)


def make_it_huge_in_the_manifest_too(path: Path) -> None:
    make_it_huge_and_sparse(path)
    manifest = (path / "manifest.json").read_text()
    size = Toy().model().ByteSize()
    (path / "manifest.json").write_text(manifest.replace(f": {size}", f": {SIZE}"))


def make_the_manifest_huge(path: Path) -> None:
    os.truncate(path / "manifest.json", SIZE)


def remove_the_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def swap_the_graph(path: Path) -> None:
    (path / "model.onnx").write_bytes(Toy(channels=3).model().SerializeToString())
    reseal(path)


def empty_the_graph(path: Path) -> None:
    (path / "model.onnx").write_bytes(b"")
    reseal(path)


def break_golden(path: Path) -> None:
    (path / "golden.npz").write_bytes(b"PK")
    reseal(path)


def break_weights(path: Path) -> None:
    (path / "weights.safetensors").write_bytes(b"\xff" * 100)
    reseal(path)


# Function that introduces the fault, expected reason, expected text of the message.
HOSTILE: list[tuple[Callable[[Path], object], str, str]] = [
    (change_a_byte, "file_hash", "model.onnx has sha256"),
    (cut_short, "file_size", "bytes; the manifest says"),
    (cut_short_and_reseal, "graph_unreadable", "cut short at byte"),
    (replace_by_a_symbolic_link, "file_link", "model.onnx is a symbolic link"),
    (replace_by_a_hard_link, "file_link", "model.onnx is a hard link"),
    (link_one_file_to_another, "file_link", "more.md is a symbolic link"),
    (put_more_in, "file_unlisted", "does not list 'more.txt'"),
    (put_a_folder_in, "file_unlisted", "does not list 'more'"),
    (take_golden_out, "file_missing", "golden.npz is missing"),
    (make_it_huge_and_sparse, "file_too_large", "model.onnx has 2147483648 bytes"),
    (make_it_huge_in_the_manifest_too, "file_too_large", "model.onnx has 2147483648 bytes"),
    (make_the_manifest_huge, "file_too_large", "manifest.json has 2147483648 bytes"),
    (remove_the_manifest, "file_missing", "manifest.json is missing"),
    (swap_the_graph, "graph_interface", "the manifest says images UINT8 [N, 8, 12, 1]"),
    (empty_the_graph, "graph_version", "IR version 0"),
    (break_golden, "golden_invalid", "golden.npz"),
    (break_weights, "weights_invalid", "weights.safetensors"),
    (lambda path: reseal(path, name="other"), "manifest_mismatch", "says other@"),
    (lambda path: reseal(path, version=9), "manifest_mismatch", "says toy@9; its folder"),
    (lambda path: reseal(path, format_version=FORMAT_VERSION + 1), "format_newer", "a newer"),
    (lambda path: reseal(path, extra=1), "manifest_invalid", "extra: Extra inputs"),
    (
        lambda path: reseal(path, **tensors(latent_dim=6), directions=[]),
        "graph_interface",
        "latents FLOAT [N, 6]",
    ),
    (lambda path: reseal(path, labels=[]), "manifest_invalid", "inputs are latents, labels;"),
    (
        lambda path: reseal(path, labels=[], **tensors(num_classes=0)),
        "graph_interface",
        "labels INT64 [N]",
    ),
]
