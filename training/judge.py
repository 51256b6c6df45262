"""The judge of digits: a small classifier whose features score generators; it never trains one.

Its weights are made once by `python -m training judge`, pinned by hash, and committed before any
generator that they score.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from training.errors import DataError
from training.networks import channels_last
from training.pixels import to_float

FEATURES = 128
WEIGHTS = Path(__file__).with_name("judges") / "mnist.safetensors"
SHA256 = "abe9a2a2c95eb541e91ea239da684ca01f0152d560e1c628b3822040d3f127fd"
"""sha256 of WEIGHTS; a judge that changed would make scores incomparable."""


class Classifier(nn.Module):
    """Four convolutions and a 128-wide penultimate layer, for small grey images [N, 1, H, W]."""

    def __init__(self, height: int = 28, width: int = 28, num_classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _block(1, 32, 5),
            nn.MaxPool2d(2),
            _block(32, 64, 3),
            _block(64, 64, 3),
            nn.MaxPool2d(2),
            _block(64, 96, 3),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(96 * (height // 4) * (width // 4), FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [-1, 1] -> features float32 [N, 128] and class logits [N, num_classes]."""
        features = self.body(images)
        return features, self.head(features)


def _block(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def fit(
    images: np.ndarray, labels: np.ndarray, epochs: int, seed: int, batch: int = 128
) -> Classifier:
    """Train a classifier on uint8 [N, H, W, 1] and int64 [N], slightly rotated, scaled and moved.

    The same arguments on the same machine with the same thread count give the same weights.
    """
    torch.manual_seed(seed)
    network = channels_last(Classifier(*images.shape[1:3]))
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    targets = torch.from_numpy(labels)
    with tqdm(total=steps, desc="judge", unit="step") as bar:
        for _ in range(epochs):
            order = torch.randperm(len(images))
            for chosen in order[: steps // epochs * batch].split(batch):
                pixels = _distort(to_float(images[chosen.numpy()]))
                with torch.autocast("cpu", torch.bfloat16):
                    _, logits = network(pixels.contiguous(memory_format=torch.channels_last))
                loss = F.cross_entropy(logits.float(), targets[chosen], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
            bar.set_postfix(loss=f"{loss.item():.3f}")
    return network.eval()


def _distort(images: Tensor, angle: float = 0.2, zoom: float = 0.1, shift: float = 0.1) -> Tensor:
    """Rotate by up to 0.2 rad, scale by up to 10 %, move by up to 10 % of half a side."""
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
def judge(
    network: Classifier, images: np.ndarray, batch: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, H, W, 1] -> features float32 [N, 128] and the judged class int64 [N]."""
    features, classes = [], []
    for start in range(0, len(images), batch):
        f, logits = network(to_float(images[start : start + batch]))
        features.append(f.numpy())
        classes.append(logits.argmax(1).numpy())
    return np.concatenate(features), np.concatenate(classes)


def save_judge(network: Classifier, path: Path, test_accuracy: float) -> str:
    """Write the weights and answer their sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    content = save(state, metadata={"test_accuracy": f"{test_accuracy:.4f}"})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load_judge(path: Path = WEIGHTS, sha256: str = SHA256) -> Classifier:
    """Read the committed judge; raises DataError when it is not the pinned one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise DataError(f"{path.name} has sha256 {found}; the pinned judge has {sha256}")
    network = Classifier()
    network.load_state_dict(load_file(path))
    return network.eval()
