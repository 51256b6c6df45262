"""An ensemble: a version whose images are made by several others, each image by one of them."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest
from mirage.service.entry import Outcome
from mirage.service.errors import InvalidValue
from mirage.service.served import Served
from mirage.service.work import Work


@dataclass(frozen=True)
class Ensemble:
    """The manifest, and the members in its order."""

    manifest: Manifest
    parts: tuple[Served, ...]

    def member(self, seed: int | None, index: int) -> Served:
        """The member that makes an image; raises InvalidValue for latents without a seed."""
        if seed is None:
            name = f"{self.manifest.name}@{self.manifest.version}"
            versions = ", ".join(str(member.version) for member in self.manifest.members)
            raise InvalidValue.of(
                "latents",
                f"latents are given; {name} is an ensemble, which makes images of seeds only, so"
                f" name one of its members: version {versions}",
            )
        version = member_of(self.manifest, seed, index).version
        return next(part for part in self.parts if part.manifest.version == version)

    async def generate(self, work: Work, deadline: float) -> Outcome:
        """Make the images, all members at once; raises what `Batcher.submit` raises."""
        makers = [self.member(work.seed, work.index + row) for row in range(work.count)]
        shares = {
            part: [row for row, made_by in enumerate(makers) if made_by is part]
            for part in dict.fromkeys(makers)
        }
        outcomes = await _all(
            [part.generate(_rows(work, rows), deadline) for part, rows in shares.items()]
        )
        return _merge(list(shares.values()), outcomes)


Answering = Served | Ensemble  # what a version is in memory


def _rows(work: Work, rows: list[int]) -> Work:
    labels = None if work.labels is None else work.labels[rows]
    return replace(work, latents=work.latents[rows], labels=labels)


async def _all(jobs: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
    """Wait for all jobs; when one fails, or nobody waits any longer, the others end too."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _merge(shares: list[list[int]], outcomes: list[Outcome]) -> Outcome:
    """The rows in their order; from the first batch's start to the last batch's end."""
    first = outcomes[0].rows
    merged = np.empty((sum(map(len, shares)), *first.shape[1:]), first.dtype)
    for rows, outcome in zip(shares, outcomes, strict=True):
        merged[rows] = outcome.rows
    queue_s = min(outcome.queue_s for outcome in outcomes)
    return Outcome(merged, queue_s, max(o.queue_s + o.run_s for o in outcomes) - queue_s)
