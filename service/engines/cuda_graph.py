"""Runs a graph on an NVIDIA GPU: in fixed buffers, and each batch by one launch of its recording.

A GPU is told in tens of calls what a batch takes. They cost more than the work of a small one, so
they are recorded once, as a CUDA graph. Each has the same shape: a GPU's algorithms, and with them
the last bits of an image, depend on the size of the batch.
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
except ImportError:  # it comes with the extra `gpu`
    runtime = None

log = logging.getLogger(__name__)

PREPARING_RUNS = 2  # after which onnxruntime has all the memory that it wants


class Stream:
    """A line of work on a GPU, apart from all others; `address` is for onnxruntime.

    Who waits for it leaves the processor to those that encode. Raises EngineError.
    """

    def __init__(self, device: int) -> None:
        if runtime is None:
            raise EngineError("CUDA needs the package cuda-bindings, of the extra `gpu`")
        self._device = device
        self.enter()
        self.handle = check(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
        self.address = int(self.handle)
        flags = runtime.cudaEventBlockingSync | runtime.cudaEventDisableTiming
        self._done = check(runtime.cudaEventCreateWithFlags(flags))

    def enter(self) -> None:
        """Let the calls of this thread that follow mean the stream's GPU."""
        check(runtime.cudaSetDevice(self._device))

    def wait(self) -> None:
        """Until all work is done; raises EngineError where it failed."""
        check(runtime.cudaEventRecord(self._done, self.handle))
        check(runtime.cudaEventSynchronize(self._done))

    def record(self, tell: Callable[[], None]) -> Any:
        """What `tell` tells the stream, not done yet, but ready to be launched."""
        # other threads may go on as they like, which only this mode lets them
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(runtime.cudaStreamBeginCapture(self.handle, mode))
        try:
            tell()
        finally:
            ended = runtime.cudaStreamEndCapture(self.handle)
        graph = check(ended)
        recorded = check(runtime.cudaGraphInstantiate(graph, 0))
        check(runtime.cudaGraphDestroy(graph))
        return recorded

    def close(self) -> None:
        """Free it."""
        check(runtime.cudaEventDestroy(self._done))
        check(runtime.cudaStreamDestroy(self.handle))


class Buffer:
    """Memory of a GPU, and its double `array` in host memory that the GPU reaches by itself."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        dtype = np.dtype(dtype)
        self.row_bytes = dtype.itemsize * math.prod(shape[1:])
        self.size = self.row_bytes * shape[0]
        self.address: int = check(runtime.cudaMalloc(self.size))
        self._host: int = check(runtime.cudaHostAlloc(self.size, runtime.cudaHostAllocDefault))
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * self.size).from_address(self._host))
        self.array: NDArray[Any] = memory.view(dtype).reshape(shape)
        self.array[:] = 0

    def send(self, stream: Stream) -> None:
        """Copy to the GPU when the stream comes to it."""
        to_gpu = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        _copy(self.address, self._host, self.size, to_gpu, stream)

    def fetch(self, rows: int, stream: Stream) -> None:
        """Copy so many rows from the GPU when the stream comes to it."""
        from_gpu = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _copy(self._host, self.address, rows * self.row_bytes, from_gpu, stream)

    def close(self) -> None:
        """Free both; `array` must not be used any more."""
        del self.array
        check(runtime.cudaFree(self.address))
        check(runtime.cudaFreeHost(self._host))


class CudaGraphRunner:
    """A session's work for one batch of `size` images, recorded and replayed.

    `session` is on `stream`, takes `inputs` (shapes and types by name, the batch in front) and
    makes uint8 `images` of that shape. Where `record` is false, or a graph cannot be recorded,
    each run tells the GPU anew. Raises EngineError.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        stream: Stream,
        device: int,
        inputs: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
        images: tuple[int, ...],
        *,
        record: bool = True,
    ) -> None:
        self.size = images[0]
        self.is_lost = False
        self._session = session
        self._stream = stream
        self._inputs = {name: Buffer(*kind) for name, kind in inputs.items()}
        self._images = Buffer(images, np.uint8)
        self._binding = binding = session.io_binding()
        for name, buffer in self._inputs.items():
            array = buffer.array
            binding.bind_input(name, "cuda", device, array.dtype, array.shape, buffer.address)
        binding.bind_output("images", "cuda", device, np.uint8, images, self._images.address)
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        for _ in range(PREPARING_RUNS):
            self._tell()
        stream.wait()
        self._recorded = self._record() if record else None

    @property
    def is_recorded(self) -> bool:
        """Whether a batch is one launch."""
        return self._recorded is not None

    def run(self, feed: Feed) -> NDArray[np.uint8]:
        """The images of any number of inputs, in batches of one size; raises EngineError."""
        count = len(feed["latents"])
        if count <= self.size:
            return self._batch(feed, count)
        parts = (slice(start, start + self.size) for start in range(0, count, self.size))
        return np.concatenate(
            [self.run({name: array[part] for name, array in feed.items()}) for part in parts]
        )

    def release_memory(self, feed: Feed) -> None:
        """Keep the memory: a recording holds its addresses."""

    def close(self) -> None:
        """Free all but the GPU itself; must not run then or later."""
        self._stream.enter()
        if self._recorded is not None:
            check(runtime.cudaGraphExecDestroy(self._recorded))
        del self._binding, self._session
        for buffer in (*self._inputs.values(), self._images):
            buffer.close()
        self._stream.close()

    def _batch(self, feed: Feed, count: int) -> NDArray[np.uint8]:
        for name, array in feed.items():
            self._inputs[name].array[:count] = array
        try:
            self._work(count)
        except EngineError:
            self.is_lost = True  # what a GPU fails with, it fails with from then on
            raise
        images: NDArray[np.uint8] = self._images.array[:count].copy()
        return images

    def _work(self, count: int) -> None:
        self._stream.enter()
        if self._recorded is None:
            self._tell()
        else:
            check(runtime.cudaGraphLaunch(self._recorded, self._stream.handle))
        self._images.fetch(count, self._stream)
        self._stream.wait()

    def _tell(self) -> None:
        """Tell the stream what a batch takes."""
        for buffer in self._inputs.values():
            buffer.send(self._stream)
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:  # onnxruntime raises bare Exceptions of its own making
            raise EngineError(f"onnxruntime cannot run the graph: {error}") from error

    def _record(self) -> Any:
        """The recording; None where the graph cannot be recorded."""
        try:
            return self._stream.record(self._tell)
        except EngineError as error:
            log.warning("a graph is not recorded, so small batches take longer: %s", error)
        with suppress(EngineError):  # onnxruntime tells this error once more
            self._tell()
        return None


def check(answer: tuple[Any, ...]) -> Any:
    """What a CUDA call answers beside its error; raises EngineError where there is one."""
    error, *rest = answer
    if error != runtime.cudaError_t.cudaSuccess:
        raise EngineError(f"CUDA: {runtime.cudaGetErrorString(error)[1].decode()}")
    return rest[0] if rest else None


def _copy(to: int, source: int, size: int, direction: Any, stream: Stream) -> None:
    check(runtime.cudaMemcpyAsync(to, source, size, direction, stream.handle))
