"""Trainings that alternate on the same cores, with the processor time that each has used."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mirage.training.runs.run_dir import Run

Row = dict[str, float | str]
SLICE = 30.0
"""Processor seconds per turn."""


@dataclass
class Contestant:
    """One training: a process that is stopped except during its turns.

    In the run's folder, `minutes.jsonl` records the processor minutes at each snapshot, and
    `spent.json` the minutes so far, over all sessions and threads.
    """

    run: Path
    process: subprocess.Popen[bytes]
    spent: float  # minutes of earlier sessions
    rows: list[Row] = field(default_factory=list)

    @property
    def notes(self) -> Path:
        return self.run / "minutes.jsonl"

    @property
    def minutes(self) -> float:
        """Processor time of the training; only while its process exists."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
        return self.spent + ticks / os.sysconf("SC_CLK_TCK") / 60

    def turn(self) -> None:
        began = self.minutes
        self.process.send_signal(signal.SIGCONT)
        while self.process.poll() is None and self.minutes - began < SLICE / 60:
            time.sleep(0.5)
            self.note()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)

    def note(self) -> None:
        """Record the processor time so far, and that of new snapshots."""
        (self.run / "spent.json").write_text(json.dumps(round(self.minutes, 3)))
        known = {row["kimg"] for row in self.rows}
        for path in sorted(Run(self.run).snapshots.glob("[0-9]*.safetensors")):
            kimg = int(path.stem) / 1000
            if kimg not in known:
                self.rows.append({"kimg": kimg, "minutes": round(self.minutes, 2)})
                with self.notes.open("a") as file:
                    file.write(json.dumps(self.rows[-1]) + "\n")


def start(run: Path, command: Sequence[str]) -> Contestant:
    """Start or resume a training, stopped until its first turn."""
    run.mkdir(parents=True, exist_ok=True)
    rows, spent = read(run / "minutes.jsonl"), run / "spent.json"
    with (run / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    process.send_signal(signal.SIGSTOP)
    noted = float(rows[-1]["minutes"]) if rows else 0.0
    minutes = json.loads(spent.read_text()) if spent.exists() else noted
    return Contestant(run, process, minutes, rows)


def take_turns(contestants: Sequence[Contestant], minutes: float) -> None:
    """Alternate the trainings until each has used its minutes or finished."""
    try:
        while waiting := [
            each for each in contestants if each.process.poll() is None and each.minutes < minutes
        ]:
            for each in waiting:
                each.turn()
    finally:
        for each in contestants:
            each.process.send_signal(signal.SIGCONT)
            each.process.terminate()
            each.process.wait()


def chosen(rows: list[Row], minutes: float, every: float) -> list[Row]:
    """The last snapshot within each `every` minutes, up to `minutes`."""
    within = [row for row in rows if float(row["minutes"]) <= minutes]
    return list({int(float(row["minutes"]) // every): row for row in within}.values())


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
