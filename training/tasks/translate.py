"""Task `translate`: pictures of one style in, the same pictures in another style out.

A discriminator of neighbourhoods learns what the target style looks like. A content loss keeps the
result the picture that was given: the contrastive loss of corresponding places, cycle consistency,
or, with paired data, the difference to the twin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from mirage.training.config import CONTRASTIVE, CYCLE
from mirage.training.data.sources.styles import StyleSet
from mirage.training.data.style_crops import StyleCrops, centre
from mirage.training.errors import UsageError, explain
from mirage.training.media.pixels import contact_sheet, to_float, to_grey_levels
from mirage.training.networks.families import TranslatorArchitecture
from mirage.training.networks.patch import Discriminator
from mirage.training.networks.resampled import MULTIPLE, Translator
from mirage.training.optim.contrastive import contrastive_loss, draw_places, embed
from mirage.training.optim.fidelity import CONTENT_LOSSES
from mirage.training.optim.losses import LOSSES
from mirage.training.tasks.patch_game import discriminator_loss
from mirage.training.tasks.randomness import Stream, random_stream
from mirage.training.tasks.task import Move, Statistics, Task, moved, precision

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig
    from mirage.training.runs.state import TrainState

SHOWN = 32
"""Pictures in the sample grid."""
ACROSS = 4
"""Pictures per row of the sample grid, each with its result and its twin."""
SIDE = 128
"""Pixels of a picture in the sample grid, at most."""
IDENTITY_SHARE = 4
"""One in so many targets, but at least one of the images that are in memory at once, is asked to
stay as it is: each costs as much as a source."""
PREVIEW = 64


@dataclass(frozen=True)
class Batch:
    """source, target: float32 [N, C, H, W] in [-1, 1]; twins if the data are paired."""

    source: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, part: slice) -> "Batch":
        return Batch(self.source[part], self.target[part])

    def to(self, device: torch.device) -> "Batch":
        return Batch(moved(self.source, device), moved(self.target, device))


def architecture_of(config: "TrainConfig", data: dict[str, Any]) -> TranslatorArchitecture:
    """The networks that a configuration makes for such pictures; raises UsageError."""
    values = {
        "family": config.family,
        "widths": config.widths,
        "blocks": config.blocks[0],
        "discriminator_widths": config.discriminator_widths,
        "channels": data["options"]["channels"],
        "embedding": config.embedding if config.content == CONTRASTIVE else 0,
        "cyclic": config.content == CYCLE,
        "paired": config.paired,
    }
    try:
        return TranslatorArchitecture.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error)) from error


class Batches:
    """Random crops; both networks see the same."""

    def __init__(self, config: "TrainConfig", data: StyleSet) -> None:
        self.config = config
        self._crops = StyleCrops(data, config.crop)

    def draw(self, nimg: int, part: slice) -> tuple[Batch]:
        seeds = range(nimg + part.start, nimg + part.stop)
        streams = (random_stream(self.config.seed, Stream.CROPS, seed) for seed in seeds)
        source, target = zip(*map(self._crops.draw, streams), strict=True)
        return (Batch(to_float(np.stack(source)), to_float(np.stack(target))),)


class Rules:
    """The adversarial game on maps of logits, and what keeps the content."""

    def __init__(self, config: "TrainConfig", state: "TrainState") -> None:
        self.config, self.state = config, state
        self.generator = cast(Translator, state.generator)
        self.judge = cast(Discriminator, state.discriminator)
        self.loss = LOSSES[config.loss]

    def moves(self, nimg: int, batch: Batch) -> Iterator[Move]:
        gamma = self.config.gamma.at(nimg)
        content = {CONTRASTIVE: self._contrastive, CYCLE: self._cycle}.get(
            self.config.content, self._paired
        )
        yield Move("d", len(batch), lambda part: self._discriminator(batch[part], gamma))
        yield Move("g", len(batch), lambda part: content(batch[part]))

    def schedule(self, nimg: int) -> dict[str, float]:
        names = ("lr", "beta2", "gamma", "ema_half_life_kimg")
        return {name: getattr(self.config, name).at(nimg) for name in names}

    def _discriminator(self, batch: Batch, gamma: float) -> tuple[Tensor, Statistics]:
        generator, judge = self.generator, self.judge
        loss, statistics = self._against(judge, generator, batch.source, batch.target, gamma)
        if generator.back is not None and judge.back is not None:
            back, _ = self._against(judge.back, generator.back, batch.target, batch.source, gamma)
            loss = loss + back
        return loss, statistics

    def _against(
        self, judge: nn.Module, network: nn.Module, source: Tensor, target: Tensor, gamma: float
    ) -> tuple[Tensor, Statistics]:
        with torch.no_grad():
            fakes = self._run(network, source)
        given = torch.cat([source, source]) if self.config.paired else None
        return discriminator_loss(
            self.loss, lambda images: self._judged(judge, images, given), target, fakes, gamma
        )

    def _contrastive(self, batch: Batch) -> tuple[Tensor, Statistics]:
        """Places of the result resemble the same places of the source; targets stay as they are."""
        network, size = self.generator, len(batch)
        kept = max(1, size // IDENTITY_SHARE) if self.config.identity_weight else 0
        pictures = torch.cat([batch.source, batch.target[:kept]])
        with precision(self.config, self.state.device):
            features = network.features(pictures)
            made = network.decode(pictures, features)
            places = draw_places(features)
            keys = embed(features, places, network.projections)
            queries = embed(network.features(made), places, network.projections)
        content = contrastive_loss([q[:size] for q in queries], [k[:size] for k in keys])
        identity = None
        if kept:
            identity = contrastive_loss([q[size:] for q in queries], [k[size:] for k in keys])
        return self._total(self._fooling(made[:size], batch), content, identity)

    def _cycle(self, batch: Batch) -> tuple[Tensor, Statistics]:
        """Both directions, and back again; pictures of a style stay as they are in it.

        Zhu et al., "Unpaired Image-to-Image Translation", 2017, eq. 3 and section 5.2.
        """
        network, judge = self.generator, self.judge
        assert network.back is not None  # architectures of this loss have both directions
        assert judge.back is not None
        source, target = batch.source, batch.target
        there, back = self._run(network, source), self._run(network.back, target)
        returned = F.l1_loss(self._run(network.back, there), source)
        content = returned + F.l1_loss(self._run(network, back), target)
        identity = None
        if self.config.identity_weight:
            identity = F.l1_loss(self._run(network, target), target)
            identity = identity + F.l1_loss(self._run(network.back, source), source)
        fooling = self._fooled(judge, there, target) + self._fooled(judge.back, back, source)
        return self._total(fooling, content, identity)

    def _paired(self, batch: Batch) -> tuple[Tensor, Statistics]:
        """The difference to the twin (Isola et al., "Image-to-Image Translation", 2017)."""
        made = self._run(self.generator, batch.source)
        content = CONTENT_LOSSES[self.config.content](made, batch.target)
        return self._total(self._fooling(made, batch), content, None)

    def _total(
        self, fooling: Tensor, content: Tensor, identity: Tensor | None
    ) -> tuple[Tensor, Statistics]:
        config = self.config
        loss = fooling + config.content_weight * content
        statistics = {"g_loss": fooling.detach(), "content": content.detach()}
        if identity is not None:
            loss = loss + config.identity_weight * identity
            statistics["identity"] = identity.detach()
        return loss, statistics

    def _fooling(self, made: Tensor, batch: Batch) -> Tensor:
        given = batch.source if self.config.paired else None
        return self._fooled(self.judge, made, batch.target, given)

    def _fooled(
        self, judge: nn.Module, made: Tensor, real: Tensor, given: Tensor | None = None
    ) -> Tensor:
        with torch.no_grad():
            of_real = self._judged(judge, real, given)
        return self.loss.generator(of_real, self._judged(judge, made, given))

    def _run(self, network: nn.Module, pictures: Tensor) -> Tensor:
        """Computed in the run's precision; pictures are float32."""
        with precision(self.config, self.state.device):
            return network(pictures)

    def _judged(self, judge: nn.Module, images: Tensor, given: Tensor | None) -> Tensor:
        with precision(self.config, self.state.device):
            return judge(images, given).float()


class Samples:
    """Held-out pictures: source, result and, if there is one, the twin."""

    def __init__(self, config: "TrainConfig", data: StyleSet) -> None:
        twins = data.held_out_twins
        self._sources = _middles(_spread([source for source, _ in twins] or data.source.held_out))
        self._twins = _middles(_spread([target for _, target in twins])) if twins else None
        self.columns = ACROSS * (3 if twins else 2)

    def draw(self, network: nn.Module) -> np.ndarray:
        sets = [self._sources, translate(network, self._sources)]
        if self._twins is not None:
            sets.append(self._twins)
        return np.stack([image for row in zip(*sets, strict=True) for image in row])

    def measure(self, images: np.ndarray) -> dict[str, float]:
        """Mean absolute difference to the twins in [-1, 1]; empty without twins."""
        if self._twins is None:
            return {}
        ours = images[1::3].astype(np.float64)
        return {"twin_l1": float(np.abs(ours - images[2::3]).mean() / 127.5)}


def _spread(pictures: Sequence[Any]) -> list[Any]:
    """At most SHOWN pictures, evenly spread over all."""
    step = max(1, len(pictures) // SHOWN)
    return list(pictures)[::step][:SHOWN]


def _middles(pictures: list[Any]) -> np.ndarray:
    """The middle of each picture as large as the smallest allows, uint8 [N, side, side, C]."""
    least = min(min(picture.pixels.shape[:2]) for picture in pictures)
    side = min(SIDE, least) // MULTIPLE * MULTIPLE
    return np.stack([centre(picture, side) for picture in pictures])


@torch.inference_mode()
def translate(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C], sides multiples of 4 -> the same shape, in float32."""
    network.eval()
    device = next(network.parameters()).device
    return to_grey_levels(network(to_float(pictures).to(device))).contiguous().cpu().numpy()


def _check(config: "TrainConfig", data: StyleSet) -> None:
    """Crops can be drawn from a single picture."""
    architecture_of(config, data.sheet())


def _describe(data: StyleSet) -> Iterator[str]:
    for name, pictures in (("source", data.source), ("target", data.target)):
        out = len(pictures.held_out)
        yield f"{name:<15}{len(pictures):,} pictures, {out:,} more are held out"
    used = "and used" if data.paired else "not used"
    yield f"twins          {len(data.twins):,} in training, {used}"
    yield f"               {len(data.held_out_twins):,} held out, for scores"
    yield from (f"note           {note}" for note in data.notes)
    yield f"fingerprint    {data.fingerprint}"


def _preview(config: "TrainConfig", data: StyleSet) -> np.ndarray:
    """Crops as they are trained on: source beside target, eight to a row."""
    streams = [random_stream(config.seed, Stream.CROPS, k) for k in range(PREVIEW)]
    pairs = map(StyleCrops(data, config.crop).draw, streams)
    return contact_sheet(np.stack([crop for pair in pairs for crop in pair]), 16)


TASK = Task(architecture_of, Batches, Rules, Samples, _check, _describe, _preview)
