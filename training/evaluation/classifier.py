"""Small classifiers whose features score generators; generators are never trained with them.

The classifier of digits is part of the package. It was trained once by `python -m training
train-classifier`, pinned by hash, and committed before the generators that it scores. For other
data a classifier of the same architecture is trained before scoring.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import DataError
from mirage.training.evaluation.progress import progress_bar
from mirage.training.media.pixels import to_float
from mirage.training.networks.families import channels_last
from mirage.training.runs.device import resolve_precision

FEATURES = 128
ORIENTATIONS = 8
"""Four right angles, mirrored or not: the classes to predict for data without labels."""
SMALL_SIDE, MAX_SIDE = 32, 64
WEIGHTS = Path(__file__).with_name("classifiers") / "mnist.safetensors"
SHA256 = "abe9a2a2c95eb541e91ea239da684ca01f0152d560e1c628b3822040d3f127fd"
"""sha256 of WEIGHTS; scores of another classifier would not be comparable."""


class Classifier(nn.Module):
    """Convolutions and a 128-wide penultimate layer, for images [N, C, S, S] of 4 to 64 pixels.

    Four convolutions and two halvings; above 32 pixels the first convolution halves, too.
    """

    def __init__(self, side: int = 28, channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        stride = 2 if side > SMALL_SIDE else 1
        coarse = -(-side // stride) // 4
        self.body = nn.Sequential(
            _block(channels, 32, 5, stride),
            nn.MaxPool2d(2),
            _block(32, 64, 3),
            _block(64, 64, 3),
            nn.MaxPool2d(2),
            _block(64, 96, 3),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(96 * coarse**2, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images in [-1, 1] to features float32 [N, 128] and class logits [N, num_classes]."""
        features = self.body(images)
        return features, self.head(features)


def _block(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def fit(
    images: np.ndarray, labels: np.ndarray | None, epochs: int, seed: int, batch: int = 128
) -> Classifier:
    """Train a classifier on uint8 [N, H, W, C] and int64 [N] with random rotation, scale and shift.

    Without labels it learns to predict the orientation of an image (`orient`). The same arguments
    on the same machine with the same number of threads give the same weights.
    """
    torch.manual_seed(seed)
    batch = min(batch, len(images))
    classes = ORIENTATIONS if labels is None else int(labels.max()) + 1
    network = channels_last(Classifier(input_side(images), images.shape[3], classes))
    steps = epochs * (len(images) // batch)
    native = resolve_precision("auto") == "bfloat16"  # emulated, it costs six times float32
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    with progress_bar(steps, "training the feature network", "steps") as bar:
        for _ in range(epochs):
            order = torch.randperm(len(images))
            for chosen in order[: steps // epochs * batch].split(batch):
                pixels, targets = _lesson(images, labels, chosen.numpy())
                with torch.autocast("cpu", torch.bfloat16, enabled=native):
                    _, logits = network(pixels.contiguous(memory_format=torch.channels_last))
                loss = F.cross_entropy(logits.float(), targets, label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
    return network.eval()


def _lesson(
    images: np.ndarray, labels: np.ndarray | None, chosen: np.ndarray
) -> tuple[Tensor, Tensor]:
    """One batch: distorted pixels float32 [N, C, S, S], and their targets [N]."""
    pixels = _distort(to_view(images[chosen]))
    if labels is not None:
        return pixels, torch.from_numpy(labels[chosen])
    orientations = torch.randint(ORIENTATIONS, (len(chosen),))
    return orient(pixels, orientations), orientations


def orient(images: Tensor, orientations: Tensor) -> Tensor:
    """Rotate image i of [N, C, S, S] by orientations[i] % 4 right angles; mirror it from 4 on."""
    turned = [
        torch.rot90(image.flip(2) if way >= 4 else image, way % 4, (1, 2))
        for image, way in zip(images, orientations.tolist(), strict=True)
    ]
    return torch.stack(turned)


def input_side(images: np.ndarray) -> int:
    """The input side in pixels for images [N, H, W, C]: the shorter side, at most 64."""
    return min(*images.shape[1:3], MAX_SIDE)


def to_view(images: np.ndarray) -> Tensor:
    """Convert uint8 [N, H, W, C] to float32 [N, C, S, S] in [-1, 1], resized if necessary."""
    side = input_side(images)
    pixels = to_float(images)
    if images.shape[1:3] == (side, side):
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


def _distort(images: Tensor, angle: float = 0.2, zoom: float = 0.1, shift: float = 0.1) -> Tensor:
    """Rotate by up to 0.2 rad, scale by up to 10 %, shift by up to 10 % of half a side."""
    n = len(images)
    turn = (torch.rand(n) * 2 - 1) * angle
    scale = 1 + (torch.rand(n) * 2 - 1) * zoom
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = turn.cos() * scale
    theta[:, 1, 0] = turn.sin() * scale
    theta[:, 0, 1] = -theta[:, 1, 0]
    theta[:, :, 2] = (torch.rand(n, 2) * 2 - 1) * shift
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1


@torch.inference_mode()
def classify(
    network: Classifier, images: np.ndarray, batch: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """Map uint8 [N, H, W, C] to features float32 [N, 128] and predicted classes int64 [N].

    batch: small batches, whose activations stay in the processor's caches, take half the time.
    """
    network = channels_last(network)
    features, classes = [], []
    with progress_bar(len(images), "computing features", "images") as bar:
        for start in range(0, len(images), batch):
            pixels = to_view(images[start : start + batch])
            seen, logits = network(pixels.contiguous(memory_format=torch.channels_last))
            features.append(seen.numpy())
            classes.append(logits.argmax(1).numpy())
            bar.update(len(seen))
    return np.concatenate(features), np.concatenate(classes)


def save_classifier(network: Classifier, path: Path, test_accuracy: float | None = None) -> str:
    """Write the weights and return their sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    known = {} if test_accuracy is None else {"test_accuracy": f"{test_accuracy:.4f}"}
    content = save(state, metadata=known)
    with atomic_write(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def load_digit_classifier(path: Path = WEIGHTS, sha256: str = SHA256) -> Classifier:
    """Load the committed classifier; raises DataError if its hash differs from the pinned one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise DataError(f"{path.name} has sha256 {found}; the pinned classifier has {sha256}")
    network = Classifier()
    network.load_state_dict(load_file(path))
    return network.eval()
