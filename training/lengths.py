"""The greatest lengths of a training, far beyond any use, so that counts of images fit."""

from typing import Annotated

from pydantic import Field

MAX_KIMG = 1e9
MAX_HOURS = 8_760
"""A year."""
Kimg = Annotated[float, Field(gt=0, le=MAX_KIMG)]
