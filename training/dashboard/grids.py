"""The sample grids of a run."""

from pathlib import Path

from pydantic import BaseModel

from mirage.training.runs.run_dir import Run

MAX_GRIDS = 400
MAX_BYTES = 64 << 20
"""A grid of 100 RGBA images of 256 x 256 pixels has at most 25 MiB."""


class Grid(BaseModel):
    """nimg: images seen. url: relative; it changes with the file."""

    nimg: int
    url: str


def list_grids(run: Run) -> list[Grid]:
    """The grids in order, evenly thinned to at most `MAX_GRIDS` with the first and the last."""
    paths = [path for path in run.samples.glob("[0-9]*.png") if path.stem.isdecimal()]
    paths.sort(key=lambda path: int(path.stem))
    last = len(paths) - 1
    if last >= MAX_GRIDS:
        paths = [paths[i * last // (MAX_GRIDS - 1)] for i in range(MAX_GRIDS)]
    return [grid for path in paths if (grid := _grid(path))]


def _grid(path: Path) -> Grid | None:
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        return None
    return Grid(nimg=int(path.stem), url=f"grids/{path.name}?{written}")


def read_grid(run: Run, name: str) -> bytes | None:
    """The PNG of a grid by the name of its file; None if there is no such grid."""
    stem, dot, kind = name.partition(".")
    if (dot, kind) != (".", "png") or not (stem.isascii() and stem.isdecimal()):
        return None
    try:
        with (run.samples / name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= MAX_BYTES else None
