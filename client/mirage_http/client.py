"""The synchronous client."""

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Self, TypeVar, Unpack

import httpx

from .base import BaseClient, http_request, restart
from .edit_call import EditOptions, make_edit_call
from .exchange import (
    Exchange,
    Outcome,
    Request,
    describe_model,
    edit_picture,
    generate_files,
    interpolate_frames,
    interpolate_to_file,
    list_models,
    upscale_picture,
    upscale_to_file,
)
from .generate_call import GenerateCall, Options, make_call
from .image import (
    EditedPicture,
    GeneratedImage,
    Interpolated,
    InterpolatedFrame,
    Upscaled,
    UpscaledPicture,
)
from .interpolate_call import InterpolateOptions, Point, make_interpolate_call
from .item import GeneratedFile
from .new_file import new_file
from .responses import Model, ModelDetail
from .upscale_call import (
    PictureFile,
    TranslateOptions,
    UpscaleOptions,
    make_translate_call,
    make_upscale_call,
)

T = TypeVar("T")


class Client(BaseClient):
    """A synchronous, thread-safe client.

    Methods raise Refused, Unreachable or BadAnswer. Use the client as a context manager, or call
    `close`.
    """

    def generate(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedImage]:
        """Generate images and return them as a list.

        count: default the number of labels or latents, else 1. Raises TypeError for unknown options
        and ValueError for contradicting counts.
        """
        return list(self.stream(count, **options))

    def stream(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> Iterator[GeneratedImage]:
        """Generate images and yield them in order of their indices, with bounded memory.

        A few requests are sent ahead. All images come from the same version of the model, even if
        another one is released meanwhile.
        """
        return _images(self._stream(make_call(count, options)))

    def generate_files(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedFile]:
        """Like `generate`, for models of any kind: images, sounds or sequences."""
        return list(self.stream_files(count, **options))

    def stream_files(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> Iterator[GeneratedFile]:
        """Like `stream`, for models of any kind."""
        return self._stream(make_call(count, options))

    def upscale(self, picture: PictureFile, **options: Unpack[UpscaleOptions]) -> UpscaledPicture:
        """Enlarge a PNG, JPEG or WebP file and return it as a PNG.

        picture: its bytes, its path, or a file opened in binary mode. Raises OSError if it cannot
        be read, and TypeError for unknown options.
        """
        return self._run(upscale_picture(make_upscale_call(picture, options), self._patience))

    def upscale_to_file(
        self,
        picture: PictureFile,
        path: str | os.PathLike[str],
        **options: Unpack[UpscaleOptions],
    ) -> Upscaled:
        """Like `upscale`, but write the PNG to `path` as it arrives, without holding it in memory.

        The file is written under a temporary name in the same folder and renamed when complete; an
        existing file is replaced. Raises OSError if it cannot be written.
        """
        call = make_upscale_call(picture, options)
        with new_file(Path(path)) as output:
            return self._run(upscale_to_file(call, output, self._patience))

    def translate(
        self, picture: PictureFile, **options: Unpack[TranslateOptions]
    ) -> UpscaledPicture:
        """Draw a PNG, JPEG or WebP file in another style and return it as a PNG; as `upscale`."""
        return self._run(upscale_picture(make_translate_call(picture, options), self._patience))

    def translate_to_file(
        self,
        picture: PictureFile,
        path: str | os.PathLike[str],
        **options: Unpack[TranslateOptions],
    ) -> Upscaled:
        """Like `translate`, but write the PNG to `path` as `upscale_to_file` does."""
        call = make_translate_call(picture, options)
        with new_file(Path(path)) as output:
            return self._run(upscale_to_file(call, output, self._patience))

    def edit(self, picture: PictureFile, **options: Unpack[EditOptions]) -> EditedPicture:
        """Find the latents of a picture, and draw it moved along directions.

        picture: its bytes, its path, or a file opened in binary mode. Raises OSError if it cannot
        be read, and TypeError for unknown options.
        """
        return self._run(edit_picture(make_edit_call(picture, options), self._patience))

    def interpolate(
        self, points: Sequence[Point], **options: Unpack[InterpolateOptions]
    ) -> list[InterpolatedFrame]:
        """Make the frames of a path through points, and return them in order.

        points: two or more, each a seed or a mapping of seed, index, latents, label and
        directions. Raises TypeError for unknown options.
        """
        call = make_interpolate_call(points, options)
        return self._run(interpolate_frames(call, self._patience))

    def interpolate_to_file(
        self,
        points: Sequence[Point],
        path: str | os.PathLike[str],
        **options: Unpack[InterpolateOptions],
    ) -> Interpolated:
        """Write the frames to a file: .zip of PNGs, or an animation .gif, .webp, .png or .apng.

        Like `upscale_to_file`, it leaves no incomplete file. Raises ValueError for another suffix,
        and OSError if the file cannot be written.
        """
        call = make_interpolate_call(points, options, Path(path))
        with new_file(Path(path)) as output:
            return self._run(interpolate_to_file(call, output, self._patience))

    def models(self) -> list[Model]:
        """List the models of the server."""
        return self._run(list_models(self._patience))

    def model(self, name: str) -> ModelDetail:
        """Describe a model and its versions in the server's memory."""
        return self._run(describe_model(name, self._patience))

    def cancel(self) -> None:
        """Make calls on other threads raise CancelledError instead of retrying, for good."""
        self._cancelled.set()
        for stopped in list(self._streams):
            stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        self._cancelled = Event()
        self._streams: set[Event] = set()  # each ends the pages of one stream
        self._http = httpx.Client(**self._http_settings())

    def _stream(self, call: GenerateCall) -> Generator[GeneratedFile, None, None]:
        head, rest = call.split(self._page_size)
        images = self._run(generate_files(head, self._patience))
        yield from images
        if rest:
            first = images[0]
            rest = rest.pinned(first.model, first.version, first.upscale)
            yield from self._ahead(rest)

    def _ahead(self, call: GenerateCall) -> Iterator[GeneratedFile]:
        """Generate pages on threads; one extra page is queued, so that no thread is idle."""
        stopped = Event()
        self._streams.add(stopped)
        if self._cancelled.is_set():  # by now, `cancel` may have gone through the streams already
            stopped.set()
        pages: deque[Future[list[GeneratedFile]]] = deque()
        pool = ThreadPoolExecutor(self._parallel, "mirage-client")
        try:
            for page in call.parts(self._page_size):
                pages.append(pool.submit(self._run, generate_files(page, self._patience), stopped))
                if len(pages) > self._parallel:
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()
        finally:
            stopped.set()
            self._streams.discard(stopped)
            pool.shutdown(cancel_futures=True)

    def _run(self, exchange: Exchange[T], stopped: Event | None = None) -> T:
        """Run an exchange; raises CancelledError if `stopped` is set during a pause."""
        stopped = stopped or self._cancelled
        try:
            attempt = next(exchange)
            while not stopped.wait(attempt.pause_s):
                attempt = exchange.send(self._send(attempt.request))
        except StopIteration as end:
            result: T = end.value
            return result
        raise CancelledError

    def _send(self, request: Request) -> Outcome:
        try:
            with self._http.stream(**http_request(request)) as response:
                if request.output is None or not response.is_success:
                    response.read()
                else:
                    output = restart(request.output)
                    for piece in response.iter_bytes():
                        output.write(piece)
                return response
        except httpx.RequestError as error:
            return error


def _images(files: Generator[GeneratedFile, None, None]) -> Iterator[GeneratedImage]:
    """Yield the files as images; closes them when it is closed."""
    with closing(files):
        for file in files:
            yield file.image()
