from pathlib import Path

import pytest

from benchmarks.serving.stages import (
    CHECK,
    ENGINE,
    LOG,
    LOOP,
    METRICS,
    PNG,
    STAGES,
    WHERE,
    WRITE,
    spent_by_stage,
    stage_of,
)

ROOT = Path(__file__).parent.parent.parent
LOOPS = "thread (7);serve (service/processes/launch.py:50);Runner.run (asyncio/runners.py:118)"
LANE = "thread (8);Thread.run (threading.py:982);Batcher._drive (service/batching/batcher.py:214)"


@pytest.mark.parametrize(
    ("frames", "stage"),
    [
        ("Generate.__call__ (service/api/fast_path.py:77)", METRICS),
        (
            "Generate.__call__ (service/api/fast_path.py:60)"
            ";Generate._send (service/api/fast_path.py:120)",
            WRITE,
        ),
        (
            "parse_input (service/api/request_body.py:9);BaseModel.validate (pydantic/main.py:7)",
            CHECK,
        ),
        ("_timed_pack (service/api/generate.py:62);encode_png (service/media/encoding.py:28)", PNG),
        (
            "log_request (service/telemetry/logging.py:85);Handler.handle (logging/__init__.py:9)",
            LOG,
        ),
    ],
)
def test_the_innermost_frame_that_has_a_stage_decides(frames: str, stage: str) -> None:
    assert stage_of(f"{LOOPS};{frames}") == stage


def test_what_libraries_do_counts_for_their_caller() -> None:
    stack = f"{LOOPS};encode_png (service/media/encoding.py:28);concatenate (numpy/core/multi.py:3)"
    assert stage_of(stack) == PNG


def test_the_loop_itself_and_strangers_are_the_rest() -> None:
    assert stage_of(LOOPS) == stage_of("thread (9);work (elsewhere.py:1)") == LOOP


def test_a_thread_that_waits_is_in_no_stage() -> None:
    assert stage_of(f"{LANE};Condition.wait (threading.py:327)") is None


def test_the_time_of_a_thread_is_shared_out_by_its_own_samples() -> None:
    """A lane is sampled more often than the loop here, for it waits for a core as well."""
    lines = [
        f"{LOOPS} 10",
        f"{LOOPS};encode_png (service/media/encoding.py:28) 30",
        f"{LANE};Session.run (onnxruntime/capi/session.py:4) 500",
        f"{LANE};Condition.wait (threading.py:327) 900",
    ]
    spent = spent_by_stage(lines, {7: 4.0, 8: 2.0, 9: 0.5})
    assert list(spent) == list(STAGES)
    assert {stage: time for stage, time in spent.items() if time} == {
        PNG: 3.0,
        ENGINE: 2.0,
        LOOP: 1.5,  # its own, and that of a thread without samples
    }


def test_the_files_and_functions_of_the_table_are_there() -> None:
    own = [name for name in WHERE if name.startswith(("service/", "bundle/"))]
    assert own
    for name in own:
        file, _, function = name.partition(":")
        assert f"def {function}" in (ROOT / file).read_text(), name
