"""Records enlarged pictures in the metrics and the log."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from mirage.service.api.content.timing import observe
from mirage.service.api.pictures.enlarge import Part
from mirage.service.api.pictures.upscaler import Upscaler
from mirage.service.errors import ServiceError
from mirage.service.telemetry.logging import Record


@dataclass
class Tally:
    """The record of an answer with `pictures` pictures."""

    upscaler: Upscaler
    record: Record
    pictures: int = 1

    def done(self, last: Part) -> None:
        """Record a complete answer."""
        outcome, manifest = last.outcome, self.upscaler.version.manifest
        observe(self.upscaler.service.metrics, manifest, self.pictures, outcome, last.encode_s)
        self._note(last)

    async def counted(self, first: Part, parts: AsyncGenerator[Part]) -> AsyncGenerator[bytes]:
        """Yield the bytes of a streamed answer, and record how it ends."""
        metrics, last = self.upscaler.service.metrics, first
        try:
            yield first.data
            async for last in parts:
                yield last.data
        except ServiceError as error:
            metrics.count_problem(error.slug)
            self._note(last)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            metrics.abandoned.inc()
            self._note(last)
            raise
        self.done(last)

    def _note(self, last: Part) -> None:
        outcome = last.outcome
        seconds = outcome.queue_s, outcome.run_s, last.encode_s
        self.record.note(self.upscaler.name, self.pictures, *seconds)
