"""Files that a model of any kind made, with the parameters that reproduce them."""

from dataclasses import dataclass, field

from .errors import BadAnswer
from .image import GeneratedImage

PNG, WAV, TEXT = "image/png", "audio/wav", "text/plain"
SUFFIXES = {PNG: ".png", WAV: ".wav", TEXT: ".txt"}
OUTPUTS = {"images": PNG, "audio": WAV, "tokens": TEXT}  # by the output of a model
STARTS = {PNG: b"\x89PNG\r\n\x1a\n", WAV: b"RIFF", TEXT: b""}


@dataclass(frozen=True)
class GeneratedFile:
    """A generated image (PNG), sound (WAV) or sequence (a line of UTF-8 text).

    Model, version, seed, index, label and upscale reproduce it, as those of `GeneratedImage`.
    """

    data: bytes = field(repr=False)
    media_type: str
    seed: int | None
    index: int
    label: int | None
    model: str
    version: int
    upscale: str | None = None

    @property
    def suffix(self) -> str:
        """Of the name of a file: `.png`, `.wav` or `.txt`."""
        return SUFFIXES[self.media_type]

    def image(self) -> GeneratedImage:
        """The same as an image; raises BadAnswer for another kind."""
        if self.media_type != PNG:
            raise BadAnswer(
                f"{self.model}@{self.version} makes {self.media_type}, not images;"
                " generate_files and stream_files return it"
            )
        return GeneratedImage(
            png=self.data,
            seed=self.seed,
            index=self.index,
            label=self.label,
            model=self.model,
            version=self.version,
            upscale=self.upscale,
        )


def check_start(data: bytes, media_type: str) -> None:
    """Raise ValueError unless a file begins as its type does, or for an unknown type."""
    if media_type not in STARTS:
        raise ValueError(f"Content-Type of a part is {media_type!r:.100}")
    if not data.startswith(STARTS[media_type]):
        raise ValueError(f"a file is not {media_type}")


def suffix_of(output: object) -> str:
    """The suffix of the files of a model's output; `.png` for one that is not told."""
    return SUFFIXES[OUTPUTS.get(str(output), PNG)]
