"""Measures images per second on an NVIDIA GPU: engine alone, served, and with torch.compile.

`engine` rows measure the service's engine from latents to pixels in host memory, with CUDA graphs
(`recorded`) and without, in each precision. `compiled` rows do the same with `torch.compile` and
CUDA graphs. `stages` rows show where the time of a batch goes. `served` rows measure the service
under wrk, with its processor time and the utilisation of the GPU. Without a GPU it exits.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from generators import make_models
from serving.gpu_plot import plot_gpu
from serving.plots import draw
from serving.processes import cpu_s_of_threads, memory_mb
from serving.servers import Row, ServerError, add_options, body_of, load, running

from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.engines.engine import cuda_batch_size, open_cuda_graph, optimized
from mirage.service.engines.providers import Precision, ProviderConfig
from mirage.service.media.encoding import encode_png

MODELS = ("rgb32", "rgb256", "rgb512")
PRECISIONS: tuple[Precision, ...] = ("float32", "tensorfloat32", "float16")
BATCHES = (1, 2, 4, 8, 16, 32)
QUERY = "--query-gpu=utilization.gpu,memory.used"


def main() -> None:
    options = _options()
    if options.plot:
        rows = [json.loads(line) for line in options.plot.read_text().splitlines()]
        draw(plot_gpu, rows, options.plot)
        return
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        print(json.dumps({"left_out": "this onnxruntime is without CUDA"}))
        return
    rows = list(measure_all(options))
    if options.to:
        draw(plot_gpu, rows, options.to)
    print(json.dumps({"best": best(rows)}))


def measure_all(options: argparse.Namespace) -> Iterator[Row]:
    """All rows; each is also written as soon as it is measured."""
    parts = {"engine": engines, "stages": stages, "compiled": compiled, "served": served}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            graph = make_models(Path(options.folder or folder) / name, (name,))[name]
            for part in options.parts:
                for row in parts[part](graph, options):
                    row = {"model": name, "part": part, **row}
                    print(json.dumps(row), file=sys.stderr)
                    if options.to:
                        with options.to.open("a") as file:
                            file.write(f"{json.dumps(row)}\n")
                    yield row


def engines(graph: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Rows for each precision and batch size, with and without CUDA graphs."""
    bundle = load_bundle(graph.parent)
    for precision in PRECISIONS:
        config = ProviderConfig("cuda", precision)
        fit = optimized(bundle, config)
        for batch in BATCHES:
            for capture in (True, False):
                run = open_cuda_graph(fit, config, batch, capture=capture)
                feed = {"latents": latents_of(bundle, batch)}
                taken = seconds_of(lambda run=run, feed=feed: run.run(feed), options.seconds)
                yield {"precision": precision, "recorded": run.is_captured, **rate(batch, taken)}
                run.close()


def stages(graph: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Microseconds of a full batch by stage, and the processor time for it."""
    bundle, config = load_bundle(graph.parent), ProviderConfig("cuda", "float16")
    batch = cuda_batch_size(bundle.manifest.positions, 32)
    run = open_cuda_graph(optimized(bundle, config), config, batch)
    latents = latents_of(bundle, batch)
    images = run.run({"latents": latents})

    def copied() -> None:
        run._images.copy_to_host(batch, run._stream)
        run._stream.synchronize()

    def encoded() -> None:
        for image in images:
            encode_png(image)

    whole = seconds_of(lambda: run.run({"latents": latents}), options.seconds)
    back = seconds_of(copied, options.seconds)
    out = seconds_of(images.copy, options.seconds)
    encoding = seconds_of(encoded, options.seconds)
    run.close()
    found = {"work": whole - back - out, "to_host": back, "out_of_pinned": out, "encode": encoding}
    yield {"batch": batch, **{name: round(1e6 * taken, 1) for name, taken in found.items()}}


def compiled(graph: Path, options: argparse.Namespace) -> Iterator[Row]:
    """The same generator with torch.compile and CUDA graphs."""
    import torch

    from mirage.training.networks.families import channels_last
    from mirage.training.runs.checkpoint import ServedGenerator, load_snapshot

    bundle = load_bundle(graph.parent)
    served_size = cuda_batch_size(bundle.manifest.positions, 32)
    torch.set_float32_matmul_precision("high")  # TensorFloat-32
    torch.backends.cudnn.allow_tf32 = True
    for precision in ("tensorfloat32", "float16"):
        generator = load_snapshot(graph.parent / "weights.safetensors").generator
        network = ServedGenerator(channels_last(generator).cuda().eval())
        network.compile(mode="reduce-overhead")
        half = torch.autocast("cuda", torch.float16, enabled=precision == "float16")
        for batch in sorted({served_size, BATCHES[-1]}):
            host = torch.from_numpy(latents_of(bundle, batch)).pin_memory()
            image = bundle.manifest.image
            shape = (batch, image.height, image.width, image.channels)
            pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=True)

            def once(host=host, pixels=pixels, network=network, half=half) -> None:
                with torch.inference_mode(), half:
                    pixels.copy_(network(host.cuda(non_blocking=True)), non_blocking=True)
                torch.cuda.synchronize()
                pixels.numpy().copy()

            started = time.perf_counter()
            once()
            first = time.perf_counter() - started
            taken = seconds_of(once, options.seconds)
            yield {"precision": precision, "first_s": round(first, 1), **rate(batch, taken)}


def served(graph: Path, options: argparse.Namespace) -> Iterator[Row]:
    """The service under wrk, with one worker and with the default number."""
    if shutil.which("wrk") is None:
        yield {"error": "wrk is not installed"}
        return
    batch = cuda_batch_size(load_bundle(graph.parent).manifest.positions, 32)
    for flags in options.services:
        try:
            with running(f"mirage --provider cuda {flags}", graph, options) as server:
                for images in options.images:
                    body = body_of(graph, images)
                    for clients in options.clients:
                        with Watch(server.pid) as watch:
                            row = load(body, images, clients, options.load, server.port)
                        yield {
                            **{"flags": flags, "clients": clients, "images": images},
                            "batch": batch,
                            **row,
                            **watch.found(row["images_s"]),
                        }
        except ServerError as error:
            yield {"flags": flags, "error": str(error)}


class Watch:
    """Utilisation of a server's processes and the GPU during a measurement."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._asked: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Watch":
        self._started, self._before = time.monotonic(), cpu_s_of_threads(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        after = cpu_s_of_threads(self._pid)
        spent = sum(s - self._before.get(thread, 0.0) for thread, s in after.items())
        self._cpus = spent / (time.monotonic() - self._started)
        self._memory = memory_mb(self._pid)
        self._ended.set()
        self._thread.join()

    def found(self, images_s: float) -> Row:
        """Processors in use, processor time per image, and utilisation and memory of the GPU."""
        busy, held = (statistics.median(column) for column in zip(*self._asked, strict=True))
        return {
            **{"cpus": round(self._cpus, 2), "cpu_us": round(1e6 * self._cpus / images_s, 1)},
            **{"gpu_percent": busy, "gpu_mb": held, "memory_mb": self._memory},
        }

    def _ask(self) -> None:
        command = ["nvidia-smi", QUERY, "--format=csv,noheader,nounits"]
        while not self._ended.wait(0.5):
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            busy, held = told.splitlines()[0].split(",")
            self._asked.append((float(busy), float(held)))


def latents_of(bundle: Bundle, batch: int) -> "np.ndarray":
    return np.random.default_rng(0).standard_normal((batch, bundle.manifest.latent_dim), np.float32)


def rate(batch: int, seconds: float) -> Row:
    return {"batch": batch, "us": round(1e6 * seconds, 1), "images_s": round(batch / seconds)}


def seconds_of(run: Callable[[], object], seconds: float) -> float:
    """The median time of a call, after warm-up calls."""
    for _ in range(3):
        run()
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def best(rows: list[Row]) -> dict[str, dict[str, float]]:
    """The best images per second of each model by part."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if "images_s" in row:
            of_model = found.setdefault(row["model"], {})
            of_model[row["part"]] = max(of_model.get(row["part"], 0), row["images_s"])
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parts = ("engine", "stages", "compiled", "served")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each engine")
    parser.add_argument("--load", type=int, default=3, help="seconds of each load")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 64, 256])
    parser.add_argument("--images", nargs="+", type=int, default=[1, 16], help="of a request")
    parser.add_argument("--services", nargs="+", default=["--workers 1", ""], help="its flags")
    parser.add_argument("--folder", type=Path, help="where the models are, or are written")
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="rows; plots go beside it")
    parser.add_argument("--plot", type=Path, metavar="FILE.jsonl", help="rows to draw, no more")
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
