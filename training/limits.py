"""The limits of a healthy run."""

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """The limits of a healthy run; with `off` only non-finite numbers stop it.

    margin: of real over fake logits. ratio: of R1 to R2, or R2 to R1. gradient: norm. spread,
    entropy: of generated images relative to real ones, from `from_kimg` on, because averages start
    as one grey image. gain: dB above bicubic interpolation. patience: reports in a row beyond a
    limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    off: bool = False
    margin: float = Field(50, gt=0)
    ratio: float = Field(50, gt=1)
    gradient: float = Field(1e5, gt=0)
    spread: float = Field(0.1, ge=0)
    entropy: float = Field(0.3, ge=0)
    from_kimg: float = Field(50, ge=0)
    gain: float = -3.0
    patience: int = Field(3, ge=1)
