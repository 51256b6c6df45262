"""Scorecards of exported graphs on one data set, kept, so that each is made only once."""

import hashlib
import json
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from mirage.training.dataset import Dataset
from mirage.training.evaluate import Evaluator
from mirage.training.scorecard import Scorecard, read_scorecard, write_scorecard
from mirage.training.sizes import Sizes


class Scoring:
    """Scores graphs against the same data at the same sizes; made ready when first needed."""

    def __init__(self, folder: Path, data: Dataset, test: Dataset, sizes: Sizes | None) -> None:
        self.folder = folder
        self.data, self.test = data.original, test
        self.sizes = sizes or Sizes.of(len(self.data))

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.data, self.test, sizes=self.sizes)

    def score(self, model: bytes) -> Scorecard:
        """The scorecard of a graph: the kept one, if this Mirage made it of the same data."""
        path = self.folder / f"{self._key(model)}.json"
        card = read_scorecard(path)
        if card is None:
            card = self._evaluator.score(model)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_scorecard(path, card)
        return card

    def _key(self, model: bytes) -> str:
        """Of all that the scores depend on."""
        data = (self.data.fingerprint, self.test.fingerprint, asdict(self.sizes))
        content = json.dumps([hashlib.sha256(model).hexdigest(), data, version("mirage-gan")])
        return hashlib.sha256(content.encode()).hexdigest()[:32]
