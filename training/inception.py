"""Features of a TorchScript file that the user has, such as an Inception network.

Nothing is downloaded. TorchScript is code: only load a file that you trust.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mirage.training.errors import DataError

BATCH = 64


class ScriptFeatures:
    """A TorchScript module that takes uint8 [N, 3, H, W] and answers features float [N, D].

    One whose forward knows `return_features` (as NVIDIA's file of Inception v3 does) is called with
    it. Grey images are given three equal channels; alpha is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Raises DataError when the file is no TorchScript."""
        self.name = f"the network in {path.name}"
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers other formats
                self._network = torch.jit.load(str(path), map_location=self._device).eval()
        except (OSError, RuntimeError) as error:
            raise DataError(f"--inception is {path}; no TorchScript can be read there") from error
        arguments = self._network.forward.schema.arguments
        known = any(argument.name == "return_features" for argument in arguments)
        self._options = {"return_features": True} if known else {}

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        """uint8 [N, H, W, C] -> features float32 [N, D], and None: it judges no classes."""
        features = []
        with tqdm(total=len(images), desc=self.name, unit="img", leave=False) as bar:
            for start in range(0, len(images), BATCH):
                pixels = _rgb(images[start : start + BATCH]).to(self._device)
                features.append(self._network(pixels, **self._options).float().cpu().numpy())
                bar.update(len(pixels))
        return np.concatenate(features), None


def _rgb(images: np.ndarray) -> Tensor:
    colours = images[..., :3] if images.shape[3] > 1 else images.repeat(3, axis=3)
    return torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2)))
