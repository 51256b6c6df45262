"""Schedules: values as functions of the images seen."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class CosineSchedule(BaseModel):
    """`start` until `from_kimg`, `end` from `to_kimg`, half a cosine in between; or a constant.

    then: a schedule that replaces this one from its own `from_kimg` on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    from_kimg: float = Field(0, ge=0)
    to_kimg: float = Field(0, ge=0)
    then: "CosineSchedule | None" = None

    @model_validator(mode="before")
    @classmethod
    def _constant(cls, value: Any) -> Any:
        return {"start": value, "end": value} if isinstance(value, int | float | str) else value

    @property
    def largest(self) -> float:
        """The largest value at any time."""
        later = self.then.largest if self.then is not None else 0.0
        return max(self.start, self.end, later)

    def at(self, nimg: int) -> float:
        """The value after `nimg` images."""
        kimg = nimg / 1000
        if self.then is not None and kimg >= self.then.from_kimg:
            return self.then.at(nimg)
        if kimg >= self.to_kimg:
            return self.end
        progress = max(0.0, (kimg - self.from_kimg) / (self.to_kimg - self.from_kimg))
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2
