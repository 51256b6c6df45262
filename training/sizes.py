"""How many images the scores look at: the same for every model of one data set."""

from dataclasses import dataclass

from mirage.training.errors import DataError

FULL_DATA = 60_000
LEAST_DATA = 96
FAST_DATA = 12_000
MOST_EPOCHS = 30
LEAST_FIT = 10_000
"""Images seen without which a feature network has learned little, however few data there are."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of images; scores compare only at equal sizes.

    generated: judged of a model, and real ones held out for the floors. reference: real images that
    both are compared with. covered: of each side where neighbours are sought. kernel_subsets draws
    of kernel_subset images make the kernel distance. fit_images: seen by a feature network while it
    is trained.
    """

    generated: int = 10_000
    reference: int = 50_000
    covered: int = 5_000
    kernel_subset: int = 1_000
    kernel_subsets: int = 100
    fit_images: int = 100_000

    @property
    def full(self) -> bool:
        """Whether these are the sizes for 60,000 images or more."""
        return self == Sizes()

    @classmethod
    def of(cls, images: int, fast: bool = False) -> "Sizes":
        """The sizes for a data set: in proportion below 60,000 images, and of 12,000 when `fast`.

        Raises DataError below 96 images: then no neighbours are left to look at.
        """
        if images < LEAST_DATA:
            raise DataError(f"{images} images; scores need at least {LEAST_DATA}")
        share = min(images, FAST_DATA if fast else FULL_DATA)
        generated = share // 6
        return cls(
            generated=generated,
            reference=share - generated,
            covered=generated // 2,
            kernel_subset=min(1_000, generated),
            kernel_subsets=20 if fast else 100,
            fit_images=min(25_000 if fast else 100_000, max(MOST_EPOCHS * images, LEAST_FIT)),
        )
