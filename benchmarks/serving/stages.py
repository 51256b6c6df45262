"""Stages of a request, and which of them a sampled stack of the service is in."""

from collections import Counter
from collections.abc import Iterable

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

# A frame is looked up as file:function, then as file, then by its folders from the innermost out.
# numpy, enum and such are not here: they work for the frame around them.
WHERE = {
    "uvicorn": READ,
    "httptools": READ,
    "service/protocol.py": READ,
    "service/heads.py": READ,
    "service/express.py:takes": READ,
    "service/access.py": READ,
    "service/bodies.py": CHECK,
    "service/express.py:_read": CHECK,
    "service/schemas.py": CHECK,
    "service/waiting.py:allowed_s": CHECK,
    "service/negotiation.py": CHECK,
    "pydantic": CHECK,
    "service/generation.py": WORK,
    "service/work.py": WORK,
    "service/directions.py": WORK,
    "bundle/latents.py": WORK,
    "service/models.py": WORK,
    "service/model.py": WORK,
    "service/batcher.py": QUEUE,
    "service/entry.py": QUEUE,
    "service/linger.py": QUEUE,
    "service/cost.py": QUEUE,
    "service/served.py": QUEUE,
    "service/crowd.py": QUEUE,
    "service/engine.py": ENGINE,
    "onnxruntime": ENGINE,
    "service/encoding.py": PNG,
    "service/responses.py": PNG,
    "service/generation.py:_packed": PNG,
    "service/generation.py:_timed_pack": PNG,
    "service/express.py:_send": WRITE,
    "service/express.py:_pieces": WRITE,
    "service/protocol.py:writelines": WRITE,
    "service/generation.py:_headers": WRITE,
    "service/reporting.py:server_timing": WRITE,
    "service/protocol.py:write": WRITE,
    "service/protocol.py:_flush": WRITE,
    "service/protocol.py:_take": WRITE,
    "uvicorn/protocols/http/httptools_impl.py:on_response_complete": WRITE,
    "starlette/responses.py": WRITE,
    "logging": LOG,
    "service/logs.py": LOG,
    "service/request_log.py": LOG,
    "service/record.py": LOG,
    "service/reporting.py": METRICS,
    "service/metrics.py": METRICS,
    "service/express.py:answer": METRICS,
    "prometheus_client": METRICS,
    "service/pulse.py": LOOP,
    "asyncio": LOOP,
    "service/draining.py": LOOP,
    "service/supervisor.py": LOOP,
    "service/worker.py": LOOP,
    "uvicorn/server.py": LOOP,
    "uvicorn/_compat.py": LOOP,
}


def stage_of(stack: str) -> str:
    """The stage of a stack, outermost frame first: that of the innermost frame that has one.

    A frame is `function (file:line)`, as py-spy writes them, with semicolons between.
    """
    for frame in reversed(stack.split(";")):
        for name in names(frame):
            if name in WHERE:
                return WHERE[name]
    return LOOP


def names(frame: str) -> Iterable[str]:
    """What a frame is looked up as, the most exact first."""
    function, _, place = frame.rpartition(")")[0].rpartition(" (")
    file = place.rpartition(":")[0]
    yield f"{file}:{function}"
    while file:
        yield file
        file = file.rpartition("/")[0]


def count_stages(lines: Iterable[str]) -> dict[str, int]:
    """Samples by stage from lines of `stack count`, in the order of the stages."""
    counts: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        counts[stage_of(stack)] += int(count)
    return {stage: counts[stage] for stage in STAGES}
