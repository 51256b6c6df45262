"""Sequences of symbols: tokens uint8 [N, L]."""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mirage.bundle.format.details import Symbols
from mirage.bundle.format.interface import FORMS, token_tensors

NO_PADDING = "none"
"""As a data option: sequences of one length."""
CELL = 8, 14
"""Width and height of a drawn symbol in pixels."""
FONT_SIZE = 11
LINE, LINES = 96, 8
"""Symbols drawn in a line, and lines; longer sequences are cut in pictures."""
GREYS = 30, 150
"""Backgrounds of the first and the last symbol, so that patterns show at a glance."""
SHEET_WIDTH = 1000
"""Pixels of a row of a sample grid, in which at least one sequence stands."""
MOST_COLUMNS = 10
(MAX_LENGTH,) = FORMS["tokens"].longest


class Tokens(BaseModel):
    """Sequences of `length` symbols: token i is character i of the alphabet.

    padding: a character of the alphabet that ends a sequence, or None if all have the same length.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: Literal["tokens"] = "tokens"
    length: int = Field(ge=1, le=MAX_LENGTH)
    alphabet: str = Field(min_length=2, max_length=256)
    padding: str | None = Field(None, min_length=1, max_length=1)

    @property
    def noun(self) -> str:
        return "sequences"

    @property
    def columns(self) -> int:
        return max(1, min(MOST_COLUMNS, SHEET_WIDTH // self.picture_size[1]))

    @property
    def picture_size(self) -> tuple[int, int]:
        columns = min(self.length, LINE)
        lines = min(-(-self.length // columns), LINES)
        return lines * CELL[1], columns * CELL[0]

    @property
    def shown_side(self) -> int:
        return max(self.picture_size)

    @property
    def channels(self) -> int:
        """Channels of the networks' values."""
        return len(self.alphabet)

    @property
    def form(self) -> str:
        shown = self.alphabet.replace(self.padding or "", "")
        end = f", padded with {self.padding!r}" if self.padding else ""
        return f"{self.length:,} symbols of {shown!r}{end}"

    def to_values(self, stored: np.ndarray) -> Tensor:
        """One-hot vectors of uint8 [N, L]: float32 [N, symbols, L]."""
        tokens = torch.from_numpy(np.ascontiguousarray(stored)).long()
        return torch.nn.functional.one_hot(tokens, self.channels).movedim(2, 1).float()

    def to_stored(self, values: Tensor) -> Tensor:
        """The most probable symbols of float [N, symbols, L]: uint8 [N, L]."""
        return values.argmax(1).to(torch.uint8)

    def outputs(self, x: Tensor) -> Tensor:
        """Probabilities float32 [N, symbols, L] of logits of the same shape."""
        return x.softmax(1)

    def pictures(self, stored: np.ndarray) -> np.ndarray:
        """The symbols as letters on grey, black after the end: uint8 [N, H, W, 1]."""
        height, width = self.picture_size
        lines, columns = height // CELL[1], width // CELL[0]
        shown = np.full((len(stored), lines * columns), self.channels, np.int64)
        cut = self.visible(stored)[:, : lines * columns]
        shown[:, : cut.shape[1]] = cut
        cells = glyphs(self.alphabet)[shown.reshape(len(stored), lines, columns)]
        return cells.swapaxes(2, 3).reshape(len(stored), height, width, 1)

    def visible(self, stored: np.ndarray) -> np.ndarray:
        """Tokens as int64 [N, L], with `channels` for all from the first padding on."""
        tokens = stored.astype(np.int64)
        if self.padding is None:
            return tokens
        ended = np.logical_or.accumulate(tokens == self.alphabet.index(self.padding), axis=1)
        return np.where(ended, self.channels, tokens)

    def texts(self, stored: np.ndarray) -> list[str]:
        """The sequences as text, without padding."""
        symbols = np.array([*self.alphabet, ""])
        return ["".join(symbols[row]) for row in self.visible(stored)]

    def examples(self, stored: np.ndarray) -> list[str]:
        return [text[:LINE] for text in self.texts(stored)]

    def tensors(self, latent_dim: int, num_classes: int) -> dict[str, Any]:
        tensors = token_tensors(latent_dim, num_classes, self.length)
        symbols = Symbols(alphabet=self.alphabet, padding=self.padding)
        return {**tensors, "sound": None, "sequence": symbols}

    def as_options(self) -> dict[str, Any]:
        alphabet = self.alphabet.replace(self.padding or "", "")
        return {"alphabet": alphabet, "padding": self.padding or NO_PADDING, "length": self.length}

    @property
    def shape_text(self) -> str:
        return self.form

    def summary(self) -> dict[str, str]:
        symbols = self.alphabet.replace(self.padding or "", "")
        return {"length": f"{self.length:,} symbols", "alphabet": f"{len(symbols)}: {symbols}"}

    def facts(self) -> dict[str, Any]:
        return {"medium": self.model_dump()}


@lru_cache(maxsize=4)
def glyphs(alphabet: str) -> np.ndarray:
    """A picture of each symbol, and an empty one: uint8 [symbols + 1, H, W]."""
    font = ImageFont.load_default(FONT_SIZE)
    first, last = GREYS
    drawn = np.zeros((len(alphabet) + 1, CELL[1], CELL[0]), np.uint8)
    for number, symbol in enumerate(alphabet):
        grey = first + (last - first) * number // max(1, len(alphabet) - 1)
        picture = Image.new("L", CELL, grey)
        middle = CELL[0] / 2, CELL[1] / 2
        ImageDraw.Draw(picture).text(middle, symbol, fill=255, font=font, anchor="mm")
        drawn[number] = np.asarray(picture)
    return drawn
