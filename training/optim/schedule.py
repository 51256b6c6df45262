"""Schedules: values as functions of the images seen."""

import math
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


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

    @model_validator(mode="after")
    def _takes_time(self) -> "CosineSchedule":
        if self.start != self.end and self.to_kimg <= self.from_kimg:
            raise ValueError(
                f"from start {self.start:g} to end {self.end:g} it needs a to_kimg above from_kimg "
                f"{self.from_kimg:g}, and to_kimg is {self.to_kimg:g}"
            )
        return self

    @property
    def largest(self) -> float:
        """The largest value at any time."""
        later = self.then.largest if self.then is not None else 0.0
        return max(self.start, self.end, later)

    @property
    def begins_kimg(self) -> float | None:
        """When the first part with values above 0 begins; None if all values are 0."""
        if max(self.start, self.end) > 0:
            return self.from_kimg
        return self.then.begins_kimg if self.then is not None else None

    def at(self, nimg: int) -> float:
        """The value after `nimg` images."""
        kimg = nimg / 1000
        if self.then is not None and kimg >= self.then.from_kimg:
            return self.then.at(nimg)
        if kimg >= self.to_kimg or self.start == self.end:
            return self.end
        progress = max(0.0, (kimg - self.from_kimg) / (self.to_kimg - self.from_kimg))
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


def at_most(limit: float, excluded: bool = False) -> AfterValidator:
    """Checks that no value of a schedule is above a limit."""

    def check(schedule: CosineSchedule) -> CosineSchedule:
        largest = schedule.largest
        if largest > limit or (excluded and largest == limit):
            allowed = f"less than {limit:g}" if excluded else f"at most {limit:g}"
            raise ValueError(f"its largest value is {largest:g}; allowed are 0 to {allowed}")
        return schedule

    return AfterValidator(check)
