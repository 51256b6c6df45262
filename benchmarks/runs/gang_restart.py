"""Kills one of two machines that train together, restarts both, and compares the weights.

A machine is an agent of `torchrun` with one process, on the loopback interface and with a folder of
its own. It is lost by SIGKILL of both in a random step; the other must notice and end with an
error, as a scheduler expects that then restarts both. In the end the weights must be those of a run
that nothing interrupted. Needs about 20 seconds of processor time for each kill.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirage.training.runs.checkpoint import load_latest

MACHINES, BATCH, STEPS_PER_CHECKPOINT = 2, 9, 5
"""A batch of nine is not divisible by two processes."""
ROOT, PROGRAM = Path(__file__).parents[2], Path(__file__).with_name("killed_machine.py")
RECIPE = {
    **{"preset": "mnist", "widths": "16,8", "hidden": 16, "latent_dim": 8, "batch_size": BATCH},
    **{"precision": "float32", "augment": "flip,translate", "augment_probability": 0.5},
    **{"noise": 0.05, "status_kimg": 0.18, "snapshot_kimg": 0.18},
    "checkpoint_kimg": BATCH * STEPS_PER_CHECKPOINT / 1000,
}
LIMIT_S = 600


@dataclass(frozen=True)
class Kill:
    """machine: the one to lose. step: how many steps are done before."""

    machine: int
    step: int


def choose_kills(count: int, steps: int, seed: int) -> list[Kill]:
    """Different steps in ascending order, and a machine for each."""
    chance = random.Random(seed)
    chosen = sorted(chance.sample(range(1, steps), count))
    return [Kill(chance.randrange(MACHINES), step) for step in chosen]


class Gang:
    """Machines that train one run. Machine 0 has its folder; the others must not need any."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps
        self.run = folder / "machine-0" / "run"
        folder.mkdir(parents=True, exist_ok=True)

    def train(self, kill: Kill | None = None) -> tuple[list[int], float]:
        """Start all machines and wait for their ends.

        Returns the exit codes and the seconds from the first end to the last.
        """
        port = _free_port()
        agents = [self._start(machine, port, kill) for machine in range(MACHINES)]
        ends = _ends(agents)
        return [agent.returncode for agent in agents], ends[-1] - ends[0]

    def _start(self, machine: int, port: int, kill: Kill | None) -> subprocess.Popen[bytes]:
        """Start the agent of a machine, with its output in `log`."""
        launch = [
            *("--nnodes", str(MACHINES), "--node-rank", str(machine), "--nproc-per-node", "1"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
        ]
        dies = kill is not None and kill.machine == machine
        own = self.folder / f"machine-{machine}"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(own / "cache"),
            "STEPS": str(self.steps_file(machine)),
            "KILL_AT": str(kill.step * BATCH) if kill and dies else "",
        }
        with (self.folder / f"log-{machine}").open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "torch.distributed.run", *launch),
                    *("--", str(PROGRAM), *self._training(own / "run")),
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _training(self, run: Path) -> list[str]:
        data = self.folder.parent / "data.npz"
        settings = {key: value for key, value in RECIPE.items() if key != "preset"}
        return [
            *("train", "--data", str(data), "--run", str(run), "--threads", "1"),
            *("--device", "cpu", "--preset", str(RECIPE["preset"])),
            *("--kimg", str(BATCH * self.steps / 1000)),
            *(f"--set={key}={value}" for key, value in settings.items()),
        ]

    def steps_file(self, machine: int) -> Path:
        """The images seen before each step that a machine has begun, one a line."""
        return self.folder / f"steps-{machine}"

    def begun(self) -> list[int]:
        """The steps that machine 0 has begun, in order."""
        lines = self.steps_file(0).read_text().split() if self.steps_file(0).exists() else []
        return [int(line) // BATCH for line in lines]

    def weights(self) -> torch.Tensor:
        """All weights of the last checkpoint."""
        checkpoint = load_latest(self.run / "checkpoints")
        assert checkpoint is not None, (self.folder / "log-0").read_text()[-3000:]
        assert checkpoint["nimg"] == BATCH * self.steps, checkpoint["nimg"]
        networks = (checkpoint["players"][name] for name in ("generator", "discriminator", "ema"))
        return torch.cat([value.flatten().double() for part in networks for value in part.values()])


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _ends(agents: Sequence[subprocess.Popen[bytes]]) -> list[float]:
    """When each agent has ended, in order; what still runs at the limit is killed."""
    ends, running = [], set(agents)
    limit = time.monotonic() + LIMIT_S
    while running:
        ended = {agent for agent in running if agent.poll() is not None}
        ends += [time.monotonic()] * len(ended)
        running -= ended
        if time.monotonic() > limit:
            for agent in running:
                agent.kill()
        time.sleep(0.02)
    return ends


def write_data(folder: Path) -> None:
    """Images of noise in two classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (96, 8, 8, 1), np.uint8)
    np.savez(folder / "data.npz", images=images, labels=np.arange(96) % 2)


def measure(folder: Path, kills: Sequence[Kill], steps: int) -> dict[str, Any]:
    """Train once without and once with kills; raises AssertionError for a run that must not be."""
    write_data(folder)
    whole, broken = Gang(folder / "whole", steps), Gang(folder / "broken", steps)
    _finish(whole)
    noticed, stopped = [], []
    for kill in kills:
        codes, seconds = broken.train(kill)
        assert all(codes), codes
        stopped.append(len(broken.begun()))
        noticed.append(round(seconds, 1))
        print(f"{kill}: exit codes {codes}, noticed within {seconds:.1f} s", flush=True)
    _finish(broken)
    begun = broken.begun()
    resumed = [begun[number] for number in stopped]
    expected, found = whole.weights(), broken.weights()
    return {
        "kills": len(kills),
        "machines": [kill.machine for kill in kills],
        "steps": [kill.step for kill in kills],
        "steps_lost": [kill.step - at for kill, at in zip(kills, resumed, strict=True)],
        "steps_per_checkpoint": STEPS_PER_CHECKPOINT,
        "noticed_s": noticed,
        "weights_difference": float((found - expected).norm() / expected.norm()),
        "folders_beside_rank_0": (broken.folder / "machine-1" / "run").exists(),
    }


def _finish(gang: Gang) -> None:
    """Train to the end."""
    codes, _ = gang.train()
    assert not any(codes), (gang.folder / "log-0").read_text()[-3000:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = choose_kills(options.kills, options.steps, options.seed)
        print(json.dumps(measure(Path(folder), kills, options.steps)))


if __name__ == "__main__":
    main()
