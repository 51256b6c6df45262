"""The folder of a run: configuration, statistics, sample grids, snapshots and checkpoints.

config.json  machine.json  command.json  stats.jsonl  watchdog.json  film.webp  checkpoints/
codes.npy      (of a warm start)
mlflow.json      (of a run that MLflow records)
samples/000050048.png  snapshots/000050048.safetensors      (named by images seen)
snapshots/unhealthy/  checkpoints/unhealthy/      (saved while the run was failing)
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from mirage.bundle.store.durable import atomic_write, replace_durably
from mirage.bundle.store.layout import is_version_name
from mirage.training.config import PROGRESS_FIELDS, TrainConfig
from mirage.training.errors import DataError, LockedError, UsageError
from mirage.training.media.pixels import contact_sheet
from mirage.training.runs.command import Command

UNHEALTHY = "unhealthy"


class Run:
    """Paths and small files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.machine_file = self.path / "machine.json"
        self.command_file = self.path / "command.json"
        self.lock_file = self.path / ".lock"
        self.stats_file = self.path / "stats.jsonl"
        self.samples = self.path / "samples"
        self.snapshots = self.path / "snapshots"
        self.checkpoints = self.path / "checkpoints"
        self.watchdog_file = self.path / "watchdog.json"
        self.film_file = self.path / "film.webp"
        self.board = self.path / "tensorboard"
        self.mlflow_file = self.path / "mlflow.json"
        self.codes_file = self.path / "codes.npy"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for training; raises LockedError if another process trains it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock_file.open("w") as file:
            if not (_lock(file, fcntl.LOCK_EX) or _lock_again(file)):
                raise LockedError(f"{self.path} is being trained by another process")
            yield

    def is_locked(self) -> bool:
        """Whether a process trains the run; the file system must support `flock`."""
        try:
            with self.lock_file.open("rb") as file:
                return not _lock(file, fcntl.LOCK_SH)
        except OSError:  # the run has not begun, or must not be read
            return False

    def write_config(self, config: TrainConfig, data: dict[str, Any]) -> None:
        """Write the configuration, or check that it matches that of the existing run."""
        self.check_config(config, data)
        self.path.mkdir(parents=True, exist_ok=True)
        content = {"config": config.model_dump(), "data": data}
        write_text(self.config_file, json.dumps(content, indent=2) + "\n")

    def check_config(self, config: TrainConfig, data: dict[str, Any]) -> None:
        """Raise UsageError if the run was started with another configuration or other data."""
        if not self.config_file.exists():
            return
        before, data_before = self.read_config()
        # First, because the preset `auto` chooses other settings for other data.
        if data["fingerprint"] != data_before["fingerprint"]:
            raise UsageError(
                f"{self.path} was started with other data, or read them with other flags, such as "
                "--size; use a new --run"
            )
        _check_same(before, config)

    def check_length(self, kimg: float) -> None:
        """Raise UsageError for a run that would become shorter than what it has shown."""
        recorded = self.read_config()[0].kimg if self.config_file.exists() else 0
        if kimg < min(recorded, shown := self._shown_kimg()):
            raise UsageError(
                f"kimg is {kimg:g}; {self.path} has shown {shown:g} already, and at least that is "
                "allowed"
            )

    def _shown_kimg(self) -> float:
        """Thousands of images before the newest checkpoint; 0 without one."""
        found = self.checkpoints.glob("checkpoint-[0-9]*.pt")
        images = (int(path.stem.removeprefix("checkpoint-")) for path in found)
        return max(images, default=0) / 1000

    def read_config(self) -> tuple[TrainConfig, dict[str, Any]]:
        """Read the run's configuration and the description of its data."""
        try:
            content = json.loads(self.config_file.read_text())
            return TrainConfig.model_validate(content["config"]), content["data"]
        except FileNotFoundError:
            raise DataError(_no_run(self.path)) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{self.path} is no run: config.json is invalid: {error}") from error

    def write_machine(self, sheet: dict[str, str | int]) -> None:
        """Record the machine; a later start overwrites it."""
        write_text(self.machine_file, json.dumps(sheet, indent=2) + "\n")

    def read_machine(self) -> dict[str, str | int]:
        """Read the record of `write_machine`; empty if there is none."""
        return json.loads(self.machine_file.read_text()) if self.machine_file.exists() else {}

    def write_command(self, command: Command) -> None:
        """Record the command that resumes the run; a later start overwrites it."""
        write_text(self.command_file, json.dumps(asdict(command), indent=2) + "\n")

    def read_command(self) -> Command | None:
        """Read the record of `write_command`; None if it is missing or damaged."""
        try:
            return Command.of(json.loads(self.command_file.read_bytes()))
        except (OSError, ValueError, RecursionError):
            return None

    def write_mlflow(self, run_id: str) -> None:
        """Record the id of the run in MLflow."""
        write_text(self.mlflow_file, json.dumps({"run_id": run_id}) + "\n")

    def read_mlflow(self) -> str | None:
        """Read the record of `write_mlflow`; None if there is none."""
        if not self.mlflow_file.exists():
            return None
        return json.loads(self.mlflow_file.read_bytes())["run_id"]

    def rewind_stats(self, nimg: int) -> None:
        """Remove incomplete lines, and lines that a killed process wrote after its checkpoint."""
        if self.stats_file.exists():
            kept = (line for line in self.read_stats() if line["nimg"] <= nimg)
            write_text(self.stats_file, "".join(map(_stats_line, kept)))

    def append_stats(self, line: dict[str, Any]) -> None:
        with self.stats_file.open("a") as file:
            file.write(_stats_line(line))
            file.flush()
            os.fsync(file.fileno())

    def read_stats(self) -> list[dict[str, Any]]:
        """Read all complete lines; after a power loss the file may have NULs or a partial line."""
        content = self.stats_file.read_bytes() if self.stats_file.exists() else b""
        found = (parse_stats(line) for line in content.split(b"\n")[:-1])
        return [line for line in found if line is not None]

    def save_grid(self, nimg: int, images: np.ndarray, columns: int) -> Path:
        """Write uint8 [N, H, W, C] as one PNG with `columns` images per row."""
        self.samples.mkdir(parents=True, exist_ok=True)
        path = self.grid_path(nimg)
        with atomic_write(path) as file:
            Image.fromarray(contact_sheet(images, columns).squeeze()).save(file, "PNG")
        return path

    def grid_path(self, nimg: int) -> Path:
        """The path of the sample grid after `nimg` images."""
        return self.samples / f"{nimg:09d}.png"

    def write_codes(self, codes: np.ndarray) -> None:
        """Keep the warm start's latent codes float32 [N, latent_dim].

        Computed on another machine they would differ.
        """
        with atomic_write(self.codes_file) as file:
            np.save(file, codes)

    def read_codes(self) -> np.ndarray:
        """Read the codes of `write_codes`; raises DataError."""
        try:
            return np.load(self.codes_file, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.codes_file} cannot be read; use a new --run") from error

    def snapshot_path(self, nimg: int) -> Path:
        self.snapshots.mkdir(parents=True, exist_ok=True)
        return self.snapshots / f"{nimg:09d}.safetensors"

    def unhealthy_path(self, nimg: int) -> Path:
        """The path of a snapshot that is not a result of the run."""
        aside = self.snapshots / UNHEALTHY
        aside.mkdir(parents=True, exist_ok=True)
        return aside / f"{nimg:09d}.safetensors"

    def set_aside(self, healthy_until: int) -> None:
        """Move later snapshots and checkpoints to `unhealthy/`."""
        snapshots = self.snapshots.glob("[0-9]*.safetensors")
        for path in (*snapshots, *self.checkpoints.glob("checkpoint-*.pt")):
            if int(path.stem.removeprefix("checkpoint-")) > healthy_until:
                aside = path.parent / UNHEALTHY
                aside.mkdir(exist_ok=True)
                replace_durably(path, aside / path.name)

    def latest_snapshot(self) -> Path:
        """The newest snapshot; raises DataError if there is none."""
        found = sorted(self.snapshots.glob("[0-9]*.safetensors"))
        if not found:
            raise DataError(f"{self.path} has no snapshot yet")
        return found[-1]


LOCK_AGAIN_S = 0.1
"""`is_locked` holds the lock for some microseconds."""


def _lock(file: IO[Any], kind: int) -> bool:
    """Lock a file, unless the lock of another process forbids it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_again(file: IO[Any]) -> bool:
    """Try once more, in case that another process has only looked at the lock."""
    time.sleep(LOCK_AGAIN_S)
    return _lock(file, fcntl.LOCK_EX)


def _stats_line(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"


def parse_stats(line: bytes) -> dict[str, Any] | None:
    """Parse a line of statistics; None if it is incomplete."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("nimg"), int) else None


def _no_run(path: Path) -> str:
    versions = (file.parent.name for file in path.glob("*/manifest.json"))
    found = [int(name) for name in versions if is_version_name(name)]
    if found:
        return f"{path} is a model; name a version, such as {path / str(max(found))}"
    return f"{path} is no run: it has no config.json"


def _check_same(before: TrainConfig, now: TrainConfig) -> None:
    old, new = before.model_dump(), now.model_dump()
    changed = [key for key in old if key not in PROGRESS_FIELDS and old[key] != new[key]]
    if changed:
        listed = ", ".join(f"{key} was {old[key]} and is {new[key]}" for key in changed)
        raise UsageError(
            f"the run was started with another configuration: {listed}; use a new --run"
        )


def write_text(path: Path, text: str) -> None:
    """Write a temporary file, flush and rename it; on OSError the old file remains."""
    with atomic_write(path) as file:
        file.write(text.encode())
