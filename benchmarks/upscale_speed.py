"""Measures processor time per output megapixel of the shipped upscaler and of larger architectures.

The others are the architectures of realesr-general-x4v3 and realesr-animevideov3 with random
weights, on which the time does not depend. All run in the same engine with one thread and the same
conversion from and to uint8. `network` is the network on one tile. `tiled` and `whole` are the
whole way from the bytes of a JPEG to those of a PNG: in tiles that overlap by the halo of each
network, so that no byte depends on them, and with the whole picture as one tile.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.bundle.store.layout import version_path
from mirage.bundle.store.release import readable_release
from mirage.service.batching.cost_model import CostModel
from mirage.service.drawing.local_upscaler import LocalUpscaler
from mirage.service.engines.engine import Engine, optimized
from mirage.service.engines.providers import ProviderConfig
from mirage.service.media.tiling import tile_side
from mirage.service.versions.loading import Prepared
from mirage.training.publish.pictures.export import export_network
from mirage.training.runs.checkpoint import load_picture_network

MODELS = Path(__file__).parent.parent / "models"
BASE = "photo-x4"
SCALE = 4
TILE = 256
"""The service's default side of tiles, in pixels."""
ARCHITECTURES = {"realesr-animevideov3": (64, 16), "realesr-general-x4v3": (64, 32)}
"""Width and number of inner convolutions."""
PARTS = ("network", "tiled", "whole")

Seconds = dict[str, dict[str, list[float]]]  # per megapixel, of each network and part, by round


class Compact(nn.Module):
    """`SRVGGNetCompact` of Real-ESRGAN (realesrgan/archs/srvgg_arch.py), enlarging 4 times.

    Pictures float32 [N, 3, H, W] -> [N, 3, 4 * H, 4 * W].
    """

    def __init__(self, width: int, convolutions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (3, *[width] * convolutions):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * SCALE**2, 3, padding=1))
        self.radius = convolutions + 2

    def forward(self, pictures: Tensor) -> Tensor:
        details = F.pixel_shuffle(self.body(pictures), SCALE)
        return details + F.interpolate(pictures, scale_factor=SCALE, mode="nearest")


@dataclass(frozen=True)
class Subject:
    """A network to measure, open in an engine with one thread."""

    weights: int
    halo: int
    engine: Engine

    def upscaler(self, tile: int) -> LocalUpscaler:
        """The upscaler of the client and the service, with tiles of at most `tile` pixels."""
        return LocalUpscaler(Prepared([self.engine], CostModel(), 1, tile=tile))


def shipped() -> tuple[Bundle, Subject]:
    """The released version of the base model."""
    released = readable_release(MODELS, BASE)
    assert released is not None, f"no version of {BASE} is released"
    bundle = load_bundle(version_path(MODELS, BASE, released.version))
    return bundle, _subject(
        bundle, load_picture_network(bundle.path / "weights.safetensors").network
    )


def untrained(like: Bundle, width: int, convolutions: int) -> Subject:
    """An architecture of another project with random weights, in the place of a bundle's graph."""
    network, form = Compact(width, convolutions), like.manifest.pictures
    assert form is not None
    form = form.model_copy(update={"halo": network.radius})
    manifest = like.manifest.model_copy(update={"pictures": form})
    return _subject(replace(like, manifest=manifest, model=export_network(network, 3)), network)


def _subject(bundle: Bundle, network: nn.Module) -> Subject:
    assert bundle.manifest.pictures is not None
    config = ProviderConfig("cpu")
    engine = Engine(optimized(bundle, config), config, threads=1, tile=TILE)
    weights = sum(parameter.numel() for parameter in network.parameters())
    return Subject(weights, bundle.manifest.pictures.halo, engine)


def make_picture(width: int, height: int) -> np.ndarray:
    """Noise at all scales, which is as hard to encode as a photograph: uint8 [H, W, 3]."""
    rng, total = np.random.default_rng(0), np.full((height, width, 3), 128.0)
    for octave in range(1, 8):
        sides = -(-height // 2**octave), -(-width // 2**octave)
        noise = rng.normal(128, 24, (*sides, 3)).clip(0, 255).astype(np.uint8)
        large = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(large) - 128.0
    return total.clip(0, 255).astype(np.uint8)


def as_jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()


def parts(subject: Subject, picture: np.ndarray) -> dict[str, tuple[float, Callable[[], object]]]:
    """The output megapixels of each part, and what runs it."""
    data, tile = as_jpeg(picture), picture[None, :TILE, :TILE]
    tiled = subject.upscaler(tile_side(TILE, subject.halo, 1))
    whole = subject.upscaler(max(picture.shape))
    return {
        "network": (_megapixels(tile[0]), lambda: subject.engine.run([tile])),
        "tiled": (_megapixels(picture), lambda: b"".join(tiled.enlarge(data))),
        "whole": (_megapixels(picture), lambda: b"".join(whole.enlarge(data))),
    }


def _megapixels(picture: np.ndarray) -> float:
    height, width, _ = picture.shape
    return SCALE**2 * height * width / 1e6


def measure(subjects: dict[str, Subject], picture: np.ndarray, rounds: int) -> Seconds:
    """Processor seconds per output megapixel; all networks and parts take turns in each round."""
    work = {name: parts(subject, picture) for name, subject in subjects.items()}
    seconds: Seconds = {name: {part: [] for part in PARTS} for name in work}
    for name, part in _turns(work):
        work[name][part][1]()  # the first run allocates
    for _ in range(rounds):
        for name, part in _turns(work):
            megapixels, run = work[name][part]
            started = time.process_time()
            run()
            seconds[name][part].append((time.process_time() - started) / megapixels)
    return seconds


def _turns(work: dict[str, dict[str, tuple[float, Callable[[], object]]]]) -> Iterator[tuple]:
    return ((name, part) for part in PARTS for name in work)


def summary(seconds: Seconds) -> dict[str, dict[str, float]]:
    """Medians of the times, and of their ratios to the base model within a round."""
    result: dict[str, dict[str, float]] = {}
    for name, each in seconds.items():
        row = result[name] = {}
        for part, times in each.items():
            pairs = zip(times, seconds[BASE][part], strict=True)
            row[f"{part}_s"] = round(statistics.median(times), 4)
            row[f"{part}_ratio"] = round(statistics.median(own / base for own, base in pairs), 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], metavar=("W", "H"))
    options = parser.parse_args()
    torch.manual_seed(0)
    bundle, ours = shipped()
    others = {name: untrained(bundle, *sizes) for name, sizes in ARCHITECTURES.items()}
    subjects = {BASE: ours, **others}
    found = summary(measure(subjects, make_picture(*options.size), options.rounds))
    print(f"{'processor seconds per output megapixel':<38}" + "".join(f"{p:>18}" for p in PARTS))
    for name, row in found.items():
        times = (f"{row[f'{p}_s']:>8.3f} s{row[f'{p}_ratio']:>6.1f} x" for p in PARTS)
        print(f"{name:<24}{subjects[name].weights:>10,}    " + "".join(times))
    facts = {"onnxruntime": onnxruntime.__version__, "threads": 1, "size": options.size}
    sizes = {name: {"weights": s.weights, "halo": s.halo} for name, s in subjects.items()}
    print(json.dumps(facts | {"networks": {name: sizes[name] | found[name] for name in found}}))


if __name__ == "__main__":
    main()
