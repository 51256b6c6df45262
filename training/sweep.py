"""Searches for settings: each trial is an ordinary run in its own folder, and has one score.

FOLDER/trials.journal (Optuna's)   FOLDER/trial-007/ (a run)

A trial belongs to the process that locks its folder. A trial that has begun and is not locked was
left by a process that has ended; the next process resumes it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage.bundle.errors import BundleError
from mirage.bundle.store.lock import lock_job
from mirage.training.errors import UsageError
from mirage.training.extras import how_to_install

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

KINDS = "log:LOW..HIGH, linear:LOW..HIGH, int:LOW..HIGH and any:A|B|C"
_RANGE = re.compile(r"(log|linear|int):(.+?)\.\.(.+)")


def is_range(value: str) -> bool:
    """Whether the value of a setting is a range to search, such as log:1e-4..1e-3."""
    return value.startswith(("log:", "linear:", "int:", "any:"))


def examples_of(ranges: Mapping[str, str]) -> list[dict[str, str]]:
    """All searched settings at once, with both ends of each range and all of its choices.

    Raises UsageError for invalid ranges, and without the extra `sweep`.
    """
    values = {name: _examples(each) for name, each in _distributions(ranges).items()}
    most = max(map(len, values.values()))
    return [
        {name: str(each[min(place, len(each) - 1)]) for name, each in values.items()}
        for place in range(most)
    ]


@dataclass(frozen=True)
class Trial:
    """settings: the values of the searched settings, as texts."""

    number: int
    settings: dict[str, str]
    run: Path


class Sweep:
    """The trials in a folder, taken by any number of processes.

    ranges: the searched settings. count: of all trials. lower: whether a lower score is better.
    fixed: what else the trials have in common, by name. Raises UsageError for invalid
    ranges, for a folder that was begun with others, and without the extra `sweep`.
    """

    def __init__(
        self,
        folder: Path,
        ranges: Mapping[str, str],
        count: int,
        lower: bool,
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self._distributions = _distributions(ranges)
        import optuna
        from optuna.storages.journal import JournalFileBackend

        self.folder, self.count = folder, count
        self._states = optuna.trial.TrialState
        self._sampler = optuna.samplers.TPESampler
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal = JournalFileBackend(str(folder / "trials.journal"))
        with lock_job(folder, wait=True):
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(journal),
                study_name="sweep",
                direction="minimize" if lower else "maximize",
                load_if_exists=True,
            )
            asked = {"ranges": dict(ranges), "fixed": dict(fixed or {})}
            begun = self._study.user_attrs.get("asked")
            if begun is None:
                self._study.set_user_attr("asked", asked)
            elif begun != asked:
                differing = _differing(begun, asked)
                raise UsageError(f"{folder} was begun with {differing}; use a new folder")

    @contextmanager
    def trial(self) -> Iterator[Trial | None]:
        """Take a trial that was left, or a new one; None if all have been taken."""
        with ExitStack() as held:
            yield self._take(held)

    def finish(self, trial: Trial, score: float) -> None:
        """Record the score of a trial."""
        self._study.tell(trial.number, score)

    def prune(self, trial: Trial) -> None:
        """Record that a trial has failed, as those with such settings do."""
        self._study.tell(trial.number, state=self._states.PRUNED)

    def best(self) -> tuple[Trial, float] | None:
        """The trial with the best score so far; None if there is no score."""
        if not self._study.get_trials(deepcopy=False, states=(self._states.COMPLETE,)):
            return None
        best = self._study.best_trial
        assert best.value is not None  # it is complete
        return self._described(best), best.value

    def _take(self, held: ExitStack) -> Trial | None:
        with lock_job(self.folder, wait=True):  # one process asks at a time
            for left in self._begun():
                if left.params.keys() != self._distributions.keys():  # killed while it was made
                    self._study.tell(left.number, state=self._states.FAIL)
                elif self._claim(left, held):
                    return self._described(left)
            known = self._study.get_trials(deepcopy=False)
            if sum(trial.state != self._states.FAIL for trial in known) >= self.count:
                return None
            self._study.sampler = self._sampler(seed=len(known))
            number = self._study.ask(self._distributions).number
            new = self._study.get_trials(deepcopy=False)[number]
            self._claim(new, held)
            return self._described(new)

    def _begun(self) -> list["FrozenTrial"]:
        return self._study.get_trials(deepcopy=False, states=(self._states.RUNNING,))

    def _claim(self, trial: "FrozenTrial", held: ExitStack) -> bool:
        """Lock a trial, unless another process has it or has just finished it."""
        run = self._described(trial).run
        run.mkdir(exist_ok=True)
        try:
            held.enter_context(lock_job(run, wait=False))
        except BundleError:
            return False
        return any(other.number == trial.number for other in self._begun())

    def _described(self, trial: "FrozenTrial") -> Trial:
        settings = {name: str(value) for name, value in trial.params.items()}
        return Trial(trial.number, settings, self.folder / f"trial-{trial.number:03}")


def _differing(begun: dict[str, Any], asked: dict[str, Any]) -> str:
    """What a search was begun with, beside what is asked for now."""
    before, now = (
        {**each["fixed"], **{f"--set {name}": text for name, text in each["ranges"].items()}}
        for each in (begun, asked)
    )
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)}, not {now.get(name)}" for name in names)


def _distributions(ranges: Mapping[str, str]) -> dict[str, "BaseDistribution"]:
    """What the ranges mean; raises UsageError as `examples_of`."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UsageError(f"sweep needs Optuna; {how_to_install('sweep')}") from error
    return {name: _distribution(name, text) for name, text in ranges.items()}


def _examples(distribution: Any) -> tuple[Any, ...]:
    """Both ends, or all choices."""
    if hasattr(distribution, "choices"):
        return tuple(distribution.choices)
    return distribution.low, distribution.high


def _distribution(name: str, text: str) -> "BaseDistribution":
    """The distribution that a text such as log:1e-4..1e-3 means; raises UsageError."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    try:
        if text.startswith("any:"):
            return CategoricalDistribution(text.removeprefix("any:").split("|"))
        kind, low, high = _RANGE.fullmatch(text).groups()  # type: ignore[union-attr]
        if kind == "int":
            return IntDistribution(int(low), int(high))
        return FloatDistribution(float(low), float(high), log=kind == "log")
    except (AttributeError, ValueError) as error:
        raise UsageError(f"--set {name} is {text}; ranges are {KINDS}: {error}") from error
