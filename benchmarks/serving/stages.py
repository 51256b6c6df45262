"""The stages of a request, and the assignment of sampled stacks to them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

READ = "read and parse HTTP"
CHECK = "JSON and validation"
WORK = "latents and labels"
QUEUE = "queue and hand-over"
ENGINE = "engine"
PNG = "PNG"
WRITE = "write the answer"
LOG = "log"
METRICS = "metrics"
LOOP = "event loop and the rest"
STAGES = (READ, CHECK, WORK, QUEUE, ENGINE, PNG, WRITE, LOG, METRICS, LOOP)

THREAD = re.compile(r"\bthread \((\d+)\)")

# A frame is looked up by file:function, then by file, then by its folders, innermost first.
# numpy, asyncio futures and similar are not listed: they belong to the stage of their caller.
WHERE = {
    "uvicorn": READ,
    "httptools": READ,
    "service/processes/http_protocol.py": READ,
    "service/api/security/auth.py": READ,
    "service/api/content/bounded_body.py": CHECK,
    "service/api/content/request_body.py": CHECK,
    "service/api/fast_path.py:_admit": CHECK,
    "service/tasks/requests.py": CHECK,
    "service/api/admission/route_deadline.py:allowed_s": CHECK,
    "service/api/content/negotiation.py": CHECK,
    "pydantic": CHECK,
    "service/api/generate.py": WORK,
    "service/tasks/generate.py": WORK,
    "bundle/format/latents.py": WORK,
    "service/versions/registry.py": WORK,
    "service/versions/releases.py": WORK,
    "service/batching/batcher.py": QUEUE,
    "service/batching/cost_model.py": QUEUE,
    "service/batching/deadlines.py": QUEUE,
    "service/batching/batch_runner.py": QUEUE,
    "service/batching/inline_executor.py": QUEUE,
    "service/batching/queue.py": QUEUE,
    "service/batching/threaded_executor.py": QUEUE,
    "service/versions/version.py": QUEUE,
    "service/sharing/counters.py": QUEUE,
    "service/engines/engine.py": ENGINE,
    "onnxruntime": ENGINE,
    "service/media/encoding.py": PNG,
    "service/api/generate.py:_packed": PNG,
    "service/api/generate.py:_timed_pack": PNG,
    "service/api/fast_path.py:_send": WRITE,
    "service/api/generate.py:_headers": WRITE,
    "service/api/content/timing.py:server_timing": WRITE,
    "service/processes/connection.py": WRITE,
    "service/processes/http_protocol.py:on_response_complete": WRITE,
    "uvicorn/protocols/http/httptools_impl.py:send": WRITE,
    "starlette/responses.py": WRITE,
    "logging": LOG,
    "service/telemetry/logging.py": LOG,
    "service/telemetry/stderr.py": LOG,
    "pythonjsonlogger": LOG,
    "service/telemetry/metrics.py": METRICS,
    "service/api/fast_path.py": METRICS,
    "prometheus_client": METRICS,
    "service/api/admission/request_watch.py": LOOP,
    "service/api/admission/pending_requests.py": LOOP,
    "asyncio/runners.py": LOOP,  # includes the work of uvloop, which has no Python frames
    "service/processes/server.py": LOOP,
    "service/processes/supervisor.py": LOOP,
    "service/processes/acceptor.py": LOOP,
    "service/processes/worker.py": LOOP,
    "uvicorn/server.py": LOOP,
    "uvicorn/_compat.py": LOOP,
}


# Frames that sleep, which py-spy does not always detect.
WAITS = {"threading.py:wait", "concurrent/futures/thread.py:_worker"}


def stage_of(stack: str) -> str | None:
    """The stage of a stack: that of its innermost frame with a stage; None for a waiting thread.

    The stack lists frames `function (file:line)` from the outermost, separated by semicolons, as
    written by py-spy.
    """
    frames = stack.split(";")
    if next(names(frames[-1])) in WAITS:
        return None
    for frame in reversed(frames):
        for name in names(frame):
            if name in WHERE:
                return WHERE[name]
    return LOOP


def names(frame: str) -> Iterator[str]:
    """The lookup keys of a frame, most specific first, without classes."""
    function, _, place = frame.rpartition(")")[0].rpartition(" (")
    file = place.rpartition(":")[0]
    yield f"{file}:{function.rpartition('.')[2]}"
    while file:
        yield file
        file = file.rpartition("/")[0]


def spent_by_stage(lines: Iterable[str], cpu_s: dict[int, float]) -> dict[str, float]:
    """Processor seconds by stage; the time of each thread is distributed over its samples.

    `lines` are py-spy's `stack count` with threads. Threads waiting for a core are sampled too, so
    samples are only compared within a thread.
    """
    samples: dict[int, Counter[str]] = defaultdict(Counter)
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if (stage := stage_of(stack)) is not None and (found := THREAD.search(stack)):
            samples[int(found[1])][stage] += int(count)
    spent = dict.fromkeys(STAGES, 0.0)
    for thread, seconds in cpu_s.items():
        of_thread = samples.get(thread) or {LOOP: 1}  # threads without samples
        for stage, number in of_thread.items():
            spent[stage] += seconds * number / sum(of_thread.values())
    return spent
