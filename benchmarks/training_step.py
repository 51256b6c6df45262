"""Measures images per second of several implementations of one training step with exact R1 and R2.

All variants train the same networks on the same images. Before timing, variants that must give the
same numbers are compared. Options select the preset, the batch size and compilation.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mirage.training.config import TrainConfig, build_config
from mirage.training.media.pixels import to_float
from mirage.training.networks.base import Architecture
from mirage.training.optim.ema import update_ema
from mirage.training.optim.losses import LOSSES, gradient_penalty
from mirage.training.optim.optimizers import set_schedule
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batch, architecture_of

BASE = "one gradient each"
BARE: dict[str, object] = {"mismatch": 0.0, "noise": 0.0, "augment": ()}
"""Only the adversarial loss: additions of presets would affect variants differently."""

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]  # real and fake logits [N], R1 and R2 [N]
Implementation = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Outputs]
Move = Callable[[int, Batch, Batch], dict[str, float]]


def twice(labels: Tensor | None, chosen: Tensor | None = None) -> Tensor | None:
    """Gradient penalties of both members of all pairs, or of the chosen pairs."""
    if labels is None:
        return None
    return (labels if chosen is None else labels[chosen]).repeat(2)


def one_gradient_each(
    network: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None
) -> Outputs:
    """The reference: one shared forward pass, then one gradient for R1 and one for R2."""
    real.requires_grad_(), fake.requires_grad_()
    logits = network(torch.cat([real, fake]), twice(labels)).chunk(2)
    return *logits, gradient_penalty(real, logits[0]), gradient_penalty(fake, logits[1])


def two_forwards(network: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Outputs:
    """Separate forward passes of real and fake images."""
    real.requires_grad_(), fake.requires_grad_()
    logits = network(real, labels), network(fake, labels)
    return *logits, gradient_penalty(real, logits[0]), gradient_penalty(fake, logits[1])


def functional(network: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Outputs:
    """One shared forward pass and one gradient with `torch.func`, which can be compiled."""

    def total(images: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(images, twice(labels))
        return logits.sum(), logits

    images = torch.cat([real, fake])
    gradient, logits = torch.func.grad(total, has_aux=True)(images)
    penalties = gradient.float().square().flatten(1).sum(1)
    return *logits.chunk(2), *penalties.chunk(2)


def quarter(network: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None) -> Outputs:
    """Penalties of a random quarter of the pairs: an unbiased estimate."""
    logits = network(torch.cat([real, fake]), twice(labels)).chunk(2)
    chosen = torch.randperm(len(real))[: max(1, len(real) // 4)]
    images = torch.cat([real[chosen], fake[chosen]]).requires_grad_()
    penalties = gradient_penalty(images, network(images, twice(labels, chosen)))
    return *logits, *penalties.chunk(2)


class Plain:
    """A training step with the formulas of the recipe and an exchangeable implementation."""

    def __init__(self, config: TrainConfig, state: TrainState, form: Implementation) -> None:
        self.config, self.state, self.form = config, state, form
        self.loss = LOSSES[config.loss]

    def __call__(self, nimg: int, for_discriminator: Batch, for_generator: Batch) -> dict:
        config, state = self.config, self.state
        for optimizer in (state.discriminator_optimizer, state.generator_optimizer):
            set_schedule(optimizer, config.lr.at(nimg), config.beta2.at(nimg))
        statistics = self._move_discriminator(for_discriminator, config.gamma.at(nimg))
        statistics |= self._move_generator(for_generator)
        half_life = config.ema_half_life_kimg.at(nimg)
        update_ema(state.ema, state.generator, half_life, config.batch_size)
        return {name: value.item() for name, value in statistics.items()}

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _move_discriminator(self, batch: Batch, gamma: float) -> dict[str, Tensor]:
        state = self.state
        state.discriminator.requires_grad_(True)
        with self._precision():
            with torch.no_grad():
                fakes = state.generator(batch.latents, batch.labels)
            outputs = self.form(state.discriminator, batch.images, fakes, batch.labels)
        real, fake, r1, r2 = outputs
        loss = self.loss.discriminator(real, fake)
        state.discriminator_optimizer.zero_grad(set_to_none=True)
        (loss + gamma / 2 * (r1.mean() + r2.mean())).backward()
        state.discriminator_optimizer.step()
        return {"d_loss": loss.detach(), "r1": r1.mean().detach(), "r2": r2.mean().detach()}

    def _move_generator(self, batch: Batch) -> dict[str, Tensor]:
        state = self.state
        state.discriminator.requires_grad_(False)
        with self._precision():
            images = state.generator(batch.latents, batch.labels)
            fake = state.discriminator(images, batch.labels)
            real = state.discriminator(batch.images, batch.labels)
        loss = self.loss.generator(real, fake)
        state.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.generator_optimizer.step()
        return {"g_loss": loss.detach()}


@dataclass(frozen=True)
class Variant:
    """One implementation of the step. same: must give the same numbers as the reference."""

    make: Callable[[TrainConfig, TrainState], Move]
    same: bool = True
    changes: tuple[tuple[str, object], ...] = ()
    channels_last: bool = True


def plain(form: Implementation) -> Callable[[TrainConfig, TrainState], Move]:
    return lambda config, state: Plain(config, state, form)


VARIANTS = {
    BASE: Variant(plain(one_gradient_each)),
    "ours": Variant(Step),
    "two forwards": Variant(plain(two_forwards)),
    "torch.func": Variant(plain(functional)),
    "ours, not channels last": Variant(Step, channels_last=False),
    "ours, batch in halves": Variant(Step, changes=(("micro_batch_size", "half"),)),
    "penalties of a quarter": Variant(plain(quarter), same=False),
    "no penalty": Variant(Step, same=False, changes=(("gamma", 0.0),)),
    "compiled": Variant(lambda c, p: Plain(c, p, torch.compile(functional))),
}


class Subject:
    """One variant with its networks and optimizers."""

    def __init__(self, variant: Variant, config: TrainConfig, architecture: Architecture) -> None:
        self.config, self.channels_last = config, variant.channels_last
        state = TrainState(config, architecture)
        if not variant.channels_last:
            for network in (state.generator, state.discriminator, state.ema):
                network.to(memory_format=torch.contiguous_format)
        state.generator.train()
        self.step = variant.make(config, state)
        self.batches = [self._batch(architecture, seed) for seed in range(2)]

    def _batch(self, a: Architecture, seed: int) -> Batch:
        rng, size = np.random.default_rng(seed), self.config.batch_size
        images = to_float(rng.integers(0, 256, (size, a.height, a.width, a.channels), np.uint8))
        if not self.channels_last:
            images = images.contiguous()
        latents = rng.standard_normal((size, a.latent_dim), np.float32)
        labels = torch.arange(size) % a.num_classes if a.num_classes else None
        return Batch(images, torch.from_numpy(latents), labels)

    def advance(self, steps: int) -> dict[str, float]:
        for _ in range(steps):
            found = self.step(
                0, *(Batch(b.images.detach(), b.latents, b.labels) for b in self.batches)
            )
        return found

    def images_per_s(self, steps: int) -> tuple[float, float]:
        """Wall-clock time and processor time; the latter does not include other programs."""
        images = steps * self.config.batch_size
        started, used = time.perf_counter(), time.process_time()
        self.advance(steps)
        return images / (time.perf_counter() - started), images / (time.process_time() - used)


def make_subjects(options: argparse.Namespace) -> dict[str, Subject]:
    changes = dict(item.split("=", 1) for item in options.set)
    config = build_config(options.preset, BARE | changes)
    config = config.model_copy(update={"precision": resolve_precision(config.precision)})
    sheet = {"shape": options.shape, "classes": range(options.classes)}
    architecture = architecture_of(config, sheet)
    subjects = {}
    for name, variant in VARIANTS.items():
        if name == "compiled" and not options.compile:
            continue
        changes = {k: config.batch_size // 2 if v == "half" else v for k, v in variant.changes}
        changed = TrainConfig.model_validate(config.model_dump() | changes)
        subjects[name] = Subject(variant, changed, architecture)
    return subjects


def check_numbers(subjects: dict[str, Subject]) -> None:
    """Check that the first step's statistics equal the reference up to rounding."""
    expected = subjects[BASE].advance(1)
    tolerance = 1e-3 if subjects[BASE].config.precision == "float32" else 2e-2
    for name, subject in subjects.items():
        found = subject.advance(1) if name != BASE else expected
        if VARIANTS[name].same:
            for key, value in expected.items():
                difference = abs(found[key] - value)
                assert difference <= tolerance * max(1, abs(value)), (name, key, found[key], value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="mnist")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--shape", type=int, nargs=3, default=[28, 28, 1], metavar=("H", "W", "C"))
    parser.add_argument("--classes", type=int, default=10, help="0 is unconditional")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=5, help="of each variant in one round")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, a minute or so")
    options = parser.parse_args()
    subjects = make_subjects(options)
    check_numbers(subjects)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    for _ in range(options.rounds):
        for name, subject in subjects.items():
            rates[name].append(subject.images_per_s(options.steps))
    report(options.preset, subjects[BASE].config, rates)


def report(preset: str, config: TrainConfig, rates: dict[str, list[tuple[float, float]]]) -> None:
    """Medians of the rates, and of the ratios of processor time within one round."""
    result = {}
    for name, rate in rates.items():
        pairs = zip(rate, rates[BASE], strict=True)
        ratio = statistics.median(own[1] / base[1] for own, base in pairs)
        clock, used = (statistics.median(column) for column in zip(*rate, strict=True))
        result[name] = {
            "images_per_s": round(clock, 1),
            "images_per_cpu_s": round(used, 1),
            "ratio": round(ratio, 3),
        }
        print(f"{name:<26}{clock:>8.1f} images/s{used:>8.1f} images/CPU s{ratio:>7.2f} x")
    facts = {"preset": preset, "batch_size": config.batch_size, "precision": config.precision}
    print(json.dumps({**facts, "threads": torch.get_num_threads(), "variants": result}))


if __name__ == "__main__":
    main()
