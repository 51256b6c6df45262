"""onnxruntime sessions: opened on the provider that was asked for, and run one after the other."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mirage.service.engines.providers import PROVIDERS, ProviderConfig

Feed = Mapping[str, NDArray[Any]]  # a graph's inputs by name


class EngineError(Exception):
    """The engine cannot do what it was asked for; the message is for operators."""


class Chain:
    """Sessions each of which takes what the one before it makes."""

    is_lost = False

    def __init__(self, sessions: Sequence[onnxruntime.InferenceSession]) -> None:
        self._sessions = list(sessions)

    def run(self, feed: Feed) -> NDArray[np.uint8]:
        """The images of the inputs."""
        return self._run(feed, None)

    def rest(self, feed: Feed) -> None:
        """Give memory back that only large batches need, in a run of a small one."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._run(feed, options)

    def close(self) -> None:
        """Free the sessions, which must not run then or later."""
        self._sessions.clear()

    def _run(self, feed: Feed, options: onnxruntime.RunOptions | None) -> NDArray[np.uint8]:
        *before, last = self._sessions
        for session in before:
            names = [value.name for value in session.get_outputs()]
            feed = dict(zip(names, session.run(None, feed, options), strict=True))
        return np.asarray(last.run(["images"], feed, options)[0])


def open_session(
    model: bytes,
    kind: ProviderConfig,
    threads: int,
    provider_options: Mapping[str, Any],
    *,
    has_free_sides: bool = False,
) -> onnxruntime.InferenceSession:
    """A session on the kind's provider. Raises EngineError when that cannot be had.

    `has_free_sides`: images come in many sizes, and onnxruntime plans no memory for each of them,
    for it would keep all the plans.
    """
    wanted = check_provider(kind)
    try:
        session = onnxruntime.InferenceSession(
            model,
            _options(threads, is_planned=not has_free_sides),
            providers=[(wanted, dict(provider_options))],
            enable_fallback=0,  # to the CPU, with a failure that is only printed
        )
    except Exception as error:  # onnxruntime raises bare Exceptions of its own making
        raise EngineError(f"onnxruntime refuses the graph: {error}") from error
    # onnxruntime goes on with the CPU when a provider cannot be loaded, and only logs it.
    used = session.get_providers()[0]
    if used != wanted:
        raise EngineError(f"provider {wanted} was asked for, but onnxruntime uses {used}")
    return session


def check_provider(kind: ProviderConfig) -> str:
    """The provider's name for onnxruntime; raises EngineError where that has it not."""
    wanted = PROVIDERS[kind.provider].onnx_name
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise EngineError(
            f"provider {wanted} was asked for, but this onnxruntime has {', '.join(available)}"
        )
    return wanted


@cache
def load_cuda() -> None:
    """Let onnxruntime find NVIDIA's libraries where pip has installed them.

    It prints which of them it does not find.
    """
    onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(4)  # of what it then does in another way, it warns


def _options(threads: int, *, is_planned: bool) -> onnxruntime.SessionOptions:
    """Session options: as many threads as told, which do not spin beside those that encode.

    onnxruntime's own choice of threads pins them to cores that a container may not have.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = is_planned
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True  # some of a GPU's algorithms add up in any order
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    return options
