"""Enlarges the missing pictures of a folder."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ..errors import PictureError
from .enlarger import Enlarger
from .folder import Job, find_conflicts


@dataclass
class Outcome:
    """How many pictures were enlarged and how many were there before, and why others failed."""

    enlarged: int = 0
    existing: int = 0
    failed: dict[Job, PictureError | OSError] = field(default_factory=dict)


def enlarge_all(
    jobs: Sequence[Job],
    enlarger: Enlarger,
    begin: Callable[[int, int], None],
    advance: Callable[[], None],
) -> Outcome:
    """Enlarge pictures whose targets are missing; a picture that fails does not stop the others.

    `begin` is called with the numbers of pictures in all and of those that need no work,
    `advance` after each other one. Raises the errors of the enlarger that concern all pictures.
    """
    outcome = Outcome(failed=dict(find_conflicts(jobs)))
    missing: list[Job] = []
    for job in jobs:
        if job not in outcome.failed:
            _sort(job, enlarger.scale, missing, outcome)
    begin(len(jobs), len(jobs) - len(missing))
    for job, future in _run(missing, enlarger):
        try:
            future.result()
            outcome.enlarged += 1
        except (PictureError, OSError) as error:
            outcome.failed[job] = error
        advance()
    return outcome


def _sort(job: Job, scale: float | None, missing: list[Job], outcome: Outcome) -> None:
    """Find out whether a picture is missing, enlarged already, or cannot be enlarged."""
    try:
        if job.is_done(scale):
            outcome.existing += 1
        else:
            missing.append(job)
    except (PictureError, OSError) as error:
        outcome.failed[job] = error


def _run(jobs: Sequence[Job], enlarger: Enlarger) -> Iterator[tuple[Job, Future[None]]]:
    """Yield jobs as they end; those that run are stopped if the caller leaves early."""
    waiting, running = iter(jobs), dict[Future[None], Job]()
    pool = ThreadPoolExecutor(enlarger.parallel, "mirage-client")
    try:
        while True:
            for job in waiting:
                running[pool.submit(_enlarge, enlarger, job)] = job
                if len(running) > enlarger.parallel:  # one waits, so that no thread is idle
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        enlarger.stop()
        pool.shutdown(cancel_futures=True)


def _enlarge(enlarger: Enlarger, job: Job) -> None:
    job.target.parent.mkdir(parents=True, exist_ok=True)
    enlarger.enlarge(job.picture, job.target)
