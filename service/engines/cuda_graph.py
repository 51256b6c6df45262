"""Runs an ONNX graph on an NVIDIA GPU as a CUDA graph, in fixed buffers.

A batch needs tens of kernel launches, which take longer than the kernels of a small batch. They are
captured once as a CUDA graph and launched together. All batches have the same size, because the
algorithms on a GPU, and therefore the last bits of an image, depend on the batch size.
"""

import ctypes
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from mirage.service.engines.session import EngineError, Feed

try:
    from cuda.bindings import runtime
except ImportError:  # installed with the extra `gpu`
    runtime = None

log = logging.getLogger(__name__)

# Runs before the capture, during which memory cannot be allocated. After two, onnxruntime has
# allocated all that it needs; after one it has not.
RUNS_BEFORE_CAPTURE = 2


class Stream:
    """A CUDA stream; `address` is for onnxruntime.

    Waiting for it blocks the thread without using the CPU. Raises EngineError.
    """

    def __init__(self, device: int) -> None:
        if runtime is None:
            raise EngineError("CUDA requires the package cuda-bindings (the extra `gpu`)")
        self._device = device
        self.set_device()
        self.handle = check(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
        self.address = int(self.handle)
        flags = runtime.cudaEventBlockingSync | runtime.cudaEventDisableTiming
        self._done = check(runtime.cudaEventCreateWithFlags(flags))

    def set_device(self) -> None:
        """Make the stream's GPU the current one of the calling thread."""
        check(runtime.cudaSetDevice(self._device))

    def synchronize(self) -> None:
        """Wait until all queued work is done. Raises EngineError if it failed."""
        check(runtime.cudaEventRecord(self._done, self.handle))
        check(runtime.cudaEventSynchronize(self._done))

    def capture(self, enqueue: Callable[[], None]) -> Any:
        """Return an executable CUDA graph of the work that `enqueue` puts into the stream."""
        # In this mode, other threads may use CUDA as usual during the capture.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(runtime.cudaStreamBeginCapture(self.handle, mode))
        try:
            enqueue()
        finally:
            ended = runtime.cudaStreamEndCapture(self.handle)
        graph = check(ended)
        executable = check(runtime.cudaGraphInstantiate(graph, 0))
        check(runtime.cudaGraphDestroy(graph))
        return executable

    def close(self) -> None:
        """Destroy the stream."""
        check(runtime.cudaEventDestroy(self._done))
        check(runtime.cudaStreamDestroy(self.handle))


class Buffer:
    """A buffer on a GPU and its copy `array` in pinned host memory."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        dtype = np.dtype(dtype)
        self.row_bytes = dtype.itemsize * math.prod(shape[1:])
        self.size = self.row_bytes * shape[0]
        self.address: int = check(runtime.cudaMalloc(self.size))
        self._host: int = check(runtime.cudaHostAlloc(self.size, runtime.cudaHostAllocDefault))
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * self.size).from_address(self._host))
        self.array: NDArray[Any] = memory.view(dtype).reshape(shape)
        self.array[:] = 0

    def copy_to_device(self, stream: Stream) -> None:
        """Enqueue a copy to the GPU."""
        to_gpu = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        _copy(self.address, self._host, self.size, to_gpu, stream)

    def copy_to_host(self, rows: int, stream: Stream) -> None:
        """Enqueue a copy of the first `rows` rows from the GPU."""
        from_gpu = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _copy(self._host, self.address, rows * self.row_bytes, from_gpu, stream)

    def close(self) -> None:
        """Free both. `array` must not be used afterwards."""
        del self.array
        check(runtime.cudaFree(self.address))
        check(runtime.cudaFreeHost(self._host))


class CudaGraphRunner:
    """Runs a session in batches of one size, each by launching a captured CUDA graph.

    `session` runs on `stream`, takes `inputs` (shapes and types by name, the batch first) and
    returns `output` (its name, shape and type). If `capture` is false, or the graph cannot be
    captured, each run enqueues the work again. Raises EngineError.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        stream: Stream,
        device: int,
        inputs: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
        output: tuple[str, tuple[tuple[int, ...], DTypeLike]],
        *,
        capture: bool = True,
    ) -> None:
        name, kind = output
        self.size = kind[0][0]
        self.is_lost = False
        self._session = session
        self._stream = stream
        self._inputs = {name: Buffer(*kind) for name, kind in inputs.items()}
        self._made = made = Buffer(*kind)
        self._binding = binding = session.io_binding()
        for each, buffer in self._inputs.items():
            array = buffer.array
            binding.bind_input(each, "cuda", device, array.dtype, array.shape, buffer.address)
        binding.bind_output(name, "cuda", device, made.array.dtype, made.array.shape, made.address)
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        for _ in range(RUNS_BEFORE_CAPTURE):
            self._enqueue()
        stream.synchronize()
        self._executable = self._capture() if capture else None

    @property
    def is_captured(self) -> bool:
        """Whether a batch is a single launch."""
        return self._executable is not None

    def run(self, feed: Feed) -> NDArray[Any]:
        """Return the output for any number of inputs. Raises EngineError."""
        count = len(next(iter(feed.values())))
        if count <= self.size:
            return self._run_batch(feed, count)
        parts = (slice(start, start + self.size) for start in range(0, count, self.size))
        return np.concatenate(
            [self.run({name: array[part] for name, array in feed.items()}) for part in parts]
        )

    def release_memory(self, feed: Feed) -> None:
        """Do nothing: the captured graph holds the addresses of the memory."""

    def close(self) -> None:
        """Free all memory. It must not be running, and cannot be run afterwards."""
        self._stream.set_device()
        if self._executable is not None:
            check(runtime.cudaGraphExecDestroy(self._executable))
        del self._binding, self._session
        for buffer in (*self._inputs.values(), self._made):
            buffer.close()
        self._stream.close()

    def _run_batch(self, feed: Feed, count: int) -> NDArray[Any]:
        for name, array in feed.items():
            self._inputs[name].array[:count] = array
        try:
            self._launch(count)
        except EngineError:
            self.is_lost = True  # CUDA errors are sticky: all later calls of the process fail
            raise
        rows: NDArray[Any] = self._made.array[:count].copy()
        return rows

    def _launch(self, count: int) -> None:
        self._stream.set_device()
        if self._executable is None:
            self._enqueue()
        else:
            check(runtime.cudaGraphLaunch(self._executable, self._stream.handle))
        self._made.copy_to_host(count, self._stream)
        self._stream.synchronize()

    def _enqueue(self) -> None:
        """Enqueue the copies and kernels of a batch."""
        for buffer in self._inputs.values():
            buffer.copy_to_device(self._stream)
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:  # onnxruntime's exceptions share no narrower base class
            raise EngineError(f"onnxruntime cannot run the graph: {error}") from error

    def _capture(self) -> Any:
        """Return the captured graph, or None if the graph cannot be captured."""
        try:
            return self._stream.capture(self._enqueue)
        except EngineError as error:
            log.warning("a graph is not captured, so small batches take longer: %s", error)
        with suppress(EngineError):  # onnxruntime reports the same error once more
            self._enqueue()
        return None


def check(returned: tuple[Any, ...]) -> Any:
    """Return the value of a CUDA call. Raises EngineError if the call failed."""
    error, *values = returned
    if error != runtime.cudaError_t.cudaSuccess:
        raise EngineError(f"CUDA: {runtime.cudaGetErrorString(error)[1].decode()}")
    return values[0] if values else None


def _copy(target: int, source: int, size: int, direction: Any, stream: Stream) -> None:
    check(runtime.cudaMemcpyAsync(target, source, size, direction, stream.handle))
