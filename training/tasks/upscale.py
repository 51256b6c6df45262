"""Task `upscale`: low-resolution pictures in, the same pictures larger out.

First the network learns to be faithful; once `adversarial_ratio` begins to rise, a discriminator of
neighbourhoods, which sees the input too, teaches it what real details look like.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from mirage.training.data.crops import Crops, Pair, over
from mirage.training.data.degradation import degrade, enlarge, reduce
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import UsageError, explain
from mirage.training.media.pixels import contact_sheet, to_float, to_grey_levels
from mirage.training.networks.families import PictureArchitecture
from mirage.training.optim.fidelity import CONTENT_LOSSES, luma, psnr
from mirage.training.optim.losses import LOSSES
from mirage.training.tasks.patch_game import discriminator_loss
from mirage.training.tasks.randomness import Stream, random_stream
from mirage.training.tasks.task import Move, Statistics, Task, moved, precision

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.runs.state import TrainState

SHOWN = 16
"""Crops in the sample grid."""
PREVIEW_ROWS = 5
SIDE = 128
"""Pixels of a crop in the sample grid, at most."""
LEAST_NORM = 1e-12
WHITE = np.full(3, 255, np.uint8)


@dataclass(frozen=True)
class Batch:
    """low: float32 [N, C, H, W] in [-1, 1]. high: what should come of it [N, C, s * H, s * W]."""

    low: Tensor
    high: Tensor

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, part: slice) -> "Batch":
        return Batch(self.low[part], self.high[part])

    def to(self, device: torch.device) -> "Batch":
        return Batch(moved(self.low, device), moved(self.high, device))


def architecture_of(config: "TrainConfig", data: dict[str, Any]) -> PictureArchitecture:
    """The networks that a configuration makes for such pictures; raises UsageError."""
    values = {
        "family": config.family,
        "scale": config.scale,
        "width": config.widths[0],
        "blocks": config.blocks[0],
        "discriminator_widths": config.discriminator_widths,
        "channels": data["options"]["channels"],
    }
    try:
        return PictureArchitecture.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error)) from error


class Batches:
    """Random crops; both networks move on the same, for each fake has its own real picture."""

    def __init__(self, config: "TrainConfig", data: PictureSet) -> None:
        self.config = config
        self._crops = Crops(data.pictures, config.scale, config.crop, config.degrade)

    def draw(self, nimg: int, part: slice) -> tuple[Batch]:
        seeds = range(nimg + part.start, nimg + part.stop)
        streams = (random_stream(self.config.seed, Stream.CROPS, seed) for seed in seeds)
        low, high = zip(*map(self._crops.draw, streams), strict=True)
        return (Batch(to_float(np.stack(low)), to_float(np.stack(high))),)


class Rules:
    """Content alone, then content and the relativistic game on maps of logits."""

    def __init__(self, config: "TrainConfig", state: "TrainState") -> None:
        self.config, self.state = config, state
        self.content = CONTENT_LOSSES[config.content]
        self.loss = LOSSES[config.loss]

    def moves(self, nimg: int, batch: Batch) -> Iterator[Move]:
        ratio = self.config.adversarial_ratio
        begins = ratio.begins_kimg
        if begins is None or nimg < 1000 * begins:
            yield Move("g", len(batch), lambda part: self._content(batch[part]))
            return
        gamma, share = self.config.gamma.at(nimg), ratio.at(nimg)
        yield Move("d", len(batch), lambda part: self._discriminator(batch[part], gamma))
        yield Move("g", len(batch), lambda part: self._both(batch[part], share))

    def schedule(self, nimg: int) -> dict[str, float]:
        names = ("lr", "beta2", "gamma", "ema_half_life_kimg", "adversarial_ratio")
        return {name: getattr(self.config, name).at(nimg) for name in names}

    def _enlarged(self, low: Tensor) -> Tensor:
        """Computed in the run's precision; pictures are float32, which the losses need."""
        with precision(self.config, self.state.device):
            return self.state.generator(low)

    def _judged(self, images: Tensor, low: Tensor) -> Tensor:
        with precision(self.config, self.state.device):
            given = nn.functional.interpolate(low, size=images.shape[2:], mode="bilinear")
            return self.state.discriminator(images, given).float()

    def _content(self, batch: Batch) -> tuple[Tensor, Statistics]:
        loss = self.content(self._enlarged(batch.low), batch.high)
        return loss, {"content": loss.detach()}

    def _discriminator(self, batch: Batch, gamma: float) -> tuple[Tensor, Statistics]:
        """Real and enlarged pictures of the same places; R1 and R2 of each logit's own gradient."""
        with torch.no_grad():
            fakes = self._enlarged(batch.low)
        low = batch.low.repeat(2, 1, 1, 1)
        return discriminator_loss(
            self.loss, lambda images: self._judged(images, low), batch.high, fakes, gamma
        )

    def _both(self, batch: Batch, share: float) -> tuple[Tensor, Statistics]:
        """Content, and the game with its gradient at the picture at `share` of the content's."""
        images = self._enlarged(batch.low)
        seen = images.detach().requires_grad_()
        content = self.content(seen, batch.high)
        with torch.no_grad():
            real = self._judged(batch.high, batch.low)
        adversarial = self.loss.generator(real, self._judged(seen, batch.low))
        (faithful,) = torch.autograd.grad(content, seen)
        (lifelike,) = torch.autograd.grad(adversarial, seen)
        scale = share * faithful.norm() / lifelike.norm().clamp(min=LEAST_NORM)
        pull = (images * (faithful + scale * lifelike)).sum()  # its gradient is that of both
        return pull, {"content": content.detach(), "g_loss": adversarial.detach()}


class Samples:
    """Crops of held-out pictures: low, bicubic, ours, high; two of them to a row.

    The low resolution is what training would give: its own where there is one, and degraded.
    """

    columns = 8

    def __init__(self, config: "TrainConfig", data: PictureSet) -> None:
        self._scale = config.scale
        least = min(min(picture.pixels.shape[:2]) for picture in data.held_out)
        self._side = min(SIDE, least) // self._scale * self._scale
        stream = random_stream(config.seed, Stream.SAMPLES, 0)
        low, high = zip(*(self._chosen(data, stream) for _ in range(SHOWN)), strict=True)
        self._low = np.stack([degrade(image, config.degrade, stream) for image in low])
        self._high = np.stack(high)

    def _chosen(self, data: PictureSet, rng: np.random.Generator) -> Pair:
        """The crop with most to see of four, on white where it is transparent."""
        pairs = [self._cut(data, rng) for _ in range(4)]
        return max(pairs, key=lambda pair: float(pair[1].std()))

    def _cut(self, data: PictureSet, rng: np.random.Generator) -> Pair:
        picture = data.held_out[int(rng.integers(len(data.held_out)))]
        step = 1 if picture.low is None else self._scale  # both resolutions begin at whole pixels
        y, x = (
            step * int(rng.integers((side - self._side) // step + 1))
            for side in picture.pixels.shape[:2]
        )
        high = over(picture.pixels[y : y + self._side, x : x + self._side], WHITE)
        if picture.low is None:
            return reduce(high, self._scale), high
        top, left, side = (length // self._scale for length in (y, x, self._side))
        return picture.low[top : top + side, left : left + side], high

    def draw(self, network: nn.Module) -> np.ndarray:
        ours = upscale(network, self._low)
        sheets = zip(self._low, ours, self._high, strict=True)
        return np.stack([image for sheet in sheets for image in self._row(*sheet)])

    def _row(self, low: np.ndarray, ours: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
        filters = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
        coarse, bicubic = (enlarge(low, self._scale, filter) for filter in filters)
        return coarse, bicubic, ours, high

    def measure(self, images: np.ndarray) -> dict[str, float]:
        """PSNR in dB of the luma, borders of the scale cut off, and its gain over bicubic."""
        inner = slice(self._scale, -self._scale)
        _, bicubic, ours, high = (luma(images[k::4, inner, inner]) for k in range(4))
        before, after = (
            float(np.mean([psnr(a, b) for a, b in zip(made, high, strict=True)]))
            for made in (bicubic, ours)
        )
        return {"psnr": after, "gain": after - before}


@torch.inference_mode()
def upscale(network: nn.Module, low: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> uint8 [N, s * H, s * W, C], in float32."""
    network.eval()
    device = next(network.parameters()).device
    return to_grey_levels(network(to_float(low).to(device))).contiguous().cpu().numpy()


def _check(config: "TrainConfig", data: PictureSet) -> None:
    """Crops can be drawn from a single picture."""
    architecture_of(config, data.sheet())


def _describe(data: PictureSet) -> Iterator[str]:
    pixels = sum(p.pixels.shape[0] * p.pixels.shape[1] for p in data.pictures)
    yield f"pictures       {len(data):,} of {pixels / 1e6:.1f} megapixels, high resolution"
    groups = sorted({picture.name.rpartition("/")[0] for picture in data.held_out} - {""})
    where = f": {', '.join(groups)}" if groups else ""
    yield f"held out       {len(data.held_out):,}{where}"
    yield from (f"note           {note}" for note in data.notes)
    yield f"fingerprint    {data.fingerprint}"


def _preview(config: "TrainConfig", data: PictureSet) -> np.ndarray:
    """Crops as they are trained on: low resolution beside high, three to a row."""
    streams = [random_stream(config.seed, Stream.CROPS, k) for k in range(3 * PREVIEW_ROWS)]
    pairs = map(Crops(data.pictures, config.scale, config.crop, config.degrade).draw, streams)
    coarse = Image.Resampling.NEAREST
    views = [v for low, high in pairs for v in (enlarge(low, config.scale, coarse), high)]
    return contact_sheet(np.stack(views), 6)


TASK = Task(architecture_of, Batches, Rules, Samples, _check, _describe, _preview)
