"""What a manifest says of how well pictures are enlarged."""

from collections.abc import Mapping

from mirage.bundle.format.manifest import Score
from mirage.training.evaluation.restoration import OURS, REAL, RestorationCard

PLAIN = ("bicubic", "lanczos", "sharpened")


def manifest_scores(card: RestorationCard) -> dict[str, Score]:
    """The model's means, the PSNR of what needs no network, and the least gain over bicubic."""
    floors = card.scores.get(REAL, {})
    ours = {
        name: _score(card, value, floors.get(name)) for name, value in card.scores[OURS].items()
    }
    plain = {f"psnr_y_{name}": _score(card, card.scores[name]["psnr_y"]) for name in PLAIN}
    return {**ours, **plain, "least_gain": _score(card, card.worst_gain)}


def _score(card: RestorationCard, value: float, floor: float | None = None) -> Score:
    return Score(value=value, floor=floor, n=card.pictures)


def own_set(
    cards: Mapping[str, RestorationCard], data_fingerprint: str, degrade: tuple[str, ...] = ()
) -> str | None:
    """The name of the largest set of pictures that were held out of these data.

    Sets that are degraded as in training come first.
    """
    own = [name for name, card in cards.items() if card.data_fingerprint == data_fingerprint]
    return max(
        own, key=lambda name: (cards[name].degrade == degrade, cards[name].pictures), default=None
    )
