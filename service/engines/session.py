"""onnxruntime sessions: opening on exactly one provider, and chaining."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mirage.service.engines.providers import PROVIDERS, ProviderConfig

Feed = Mapping[str, NDArray[Any]]  # inputs of a graph by name


class EngineError(Exception):
    """The engine cannot be opened or run. The message is for operators."""


class Chain:
    """Sessions that run in sequence, each on the outputs of the one before."""

    is_lost = False

    def __init__(self, sessions: Sequence[onnxruntime.InferenceSession]) -> None:
        self._sessions = list(sessions)

    def run(self, feed: Feed) -> NDArray[Any]:
        """Return the output for the inputs."""
        return self._run(feed, None)

    def release_memory(self, feed: Feed) -> None:
        """Shrink the memory arenas, which onnxruntime does at the end of a run, here of `feed`."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._run(feed, options)

    def close(self) -> None:
        """Free the sessions. They must not be running, and cannot be run afterwards."""
        self._sessions.clear()

    def _run(self, feed: Feed, options: onnxruntime.RunOptions | None) -> NDArray[Any]:
        *before, last = self._sessions
        for session in before:
            names = [value.name for value in session.get_outputs()]
            feed = dict(zip(names, session.run(None, feed, options), strict=True))
        return np.asarray(last.run(None, feed, options)[0])


def open_session(
    model: bytes,
    config: ProviderConfig,
    threads: int,
    provider_options: Mapping[str, Any],
    *,
    has_free_sides: bool = False,
) -> onnxruntime.InferenceSession:
    """Open a session on the provider. Raises EngineError if it is not available.

    `has_free_sides`: inputs come in many sizes. onnxruntime then plans no memory in advance: it
    would keep one plan per size for ever.
    """
    wanted = check_provider(config)
    try:
        session = onnxruntime.InferenceSession(
            model,
            _options(threads, plans_memory=not has_free_sides),
            providers=[(wanted, dict(provider_options))],
            enable_fallback=0,  # onnxruntime would fall back to the CPU and only print the failure
        )
    except Exception as error:  # onnxruntime's exceptions share no narrower base class
        raise EngineError(f"onnxruntime rejects the graph: {error}") from error
    # If a provider cannot be loaded, onnxruntime uses the CPU and only logs it.
    used = session.get_providers()[0]
    if used != wanted:
        raise EngineError(f"provider {wanted} was requested, but onnxruntime uses {used}")
    return session


def check_provider(config: ProviderConfig) -> str:
    """Return onnxruntime's name of the provider. Raises EngineError if it is not available."""
    wanted = PROVIDERS[config.provider].onnx_name
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise EngineError(
            f"provider {wanted} was requested, but this onnxruntime has {', '.join(available)}"
        )
    return wanted


@cache
def load_cuda() -> None:
    """Load NVIDIA's libraries from where pip installed them.

    onnxruntime prints which of them it does not find.
    """
    onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(4)  # hides its warnings about nodes that run elsewhere


def _options(threads: int, *, plans_memory: bool) -> onnxruntime.SessionOptions:
    """Return session options with `threads` compute threads.

    onnxruntime's default number of threads pins them to cores that a container may not have.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = plans_memory
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True  # some GPU algorithms add up in an arbitrary order
    # Spinning threads would take CPU time from the threads that encode images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    return options
