"""Which part of a dataset a command draws, by flags or by the variables of a scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass

JOB_INDEX, JOB_COUNT = "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"
SLURM_INDEX, SLURM_COUNT = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"


@dataclass(frozen=True)
class Part:
    """Part `number` of `of` parts: shards number, number + of, number + 2 · of …

    Neighbours are in different parts, so that all parts end at about the same time.
    """

    number: int = 0
    of: int = 1

    def shards(self, total: int) -> range:
        """The shards of this part, of a dataset with `total` shards."""
        return range(self.number, total, self.of)


def find_part(number: int | None, of: int | None, environment: Mapping[str, str]) -> Part:
    """The part that the flags name, else the variables of an Indexed Job or a Slurm array.

    Without any of them it is the whole. Raises ValueError.
    """
    if number is None and JOB_INDEX in environment:
        number = _integer(environment, JOB_INDEX)
        of = of or (_integer(environment, JOB_COUNT) if JOB_COUNT in environment else None)
        if of is None:
            raise ValueError(f"{JOB_INDEX} is {number}; --of or {JOB_COUNT} must give the number")
    elif number is None and SLURM_INDEX in environment:
        number = _integer(environment, SLURM_INDEX)
        of = of or _slurm_count(environment)
    if number is None and of is None:
        return Part()
    if number is None or of is None:
        raise ValueError("--part and --of belong together; one of them is missing")
    if not 0 <= number < of:
        raise ValueError(f"part is {number}; with --of {of}, 0 … {of - 1} are allowed")
    return Part(number, of)


def _slurm_count(environment: Mapping[str, str]) -> int:
    """The number of tasks of an array, which must be 0 … count - 1: an index is a part."""
    count = _integer(environment, SLURM_COUNT)
    least, most = (_integer(environment, f"SLURM_ARRAY_TASK_{end}") for end in ("MIN", "MAX"))
    if (least, most) != (0, count - 1):
        raise ValueError(
            f"the Slurm array has {count} tasks from {least} to {most}; --array=0-{count - 1} is"
            " allowed, or any array with --of"
        )
    return count


def _integer(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{name} is {text!r:.100}; an integer from 0 is allowed")
    return int(text)
