"""What a manifest says of outputs that are no images."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from mirage.bundle.format.interface import Fields, Meaning

# The field that says more of an output, by the meaning that needs it.
DETAILS: dict[str, Meaning] = {"sound": "audio", "sequence": "tokens"}


def _printable(alphabet: str) -> str:
    if len(set(alphabet)) != len(alphabet) or not alphabet.isprintable():
        raise ValueError("must be different printable characters")
    return alphabet


class Sound(Fields):
    """What the samples of an output with the meaning `audio` are: 16 bits, one channel."""

    sample_rate: Annotated[int, Field(ge=1, le=384_000, description="Hz", examples=[8000])]


class Symbols(Fields):
    """What the tokens of an output with the meaning `tokens` stand for.

    Token i is character i of the alphabet. A sequence ends before its first `padding`, a character
    of the alphabet; without one, all sequences have the length of the output.
    """

    alphabet: Annotated[
        str,
        Field(min_length=2, max_length=256, description="characters", examples=["ACGT"]),
        AfterValidator(_printable),
    ]
    padding: Annotated[
        str | None, Field(description="ends a sequence; null: none", examples=[None])
    ]

    @model_validator(mode="after")
    def _check_padding(self) -> Self:
        if self.padding is not None and (
            len(self.padding) != 1 or self.padding not in self.alphabet
        ):
            raise ValueError(
                f"padding is {self.padding!r:.100}; a character of the alphabet or null is allowed"
            )
        return self
