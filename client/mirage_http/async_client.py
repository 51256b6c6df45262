"""The asyncio client."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
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


class AsyncClient(BaseClient):
    """An asyncio client with the methods, settings and errors of `Client`."""

    async def generate(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedImage]:
        """Generate images and return them as a list; see `Client.generate`."""
        return [image async for image in self.stream(count, **options)]

    def stream(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[GeneratedImage, None]:
        """Generate images and yield them in order; see `Client.stream`.

        Wrap it in `contextlib.aclosing` to leave it early; closing cancels pending requests.
        """
        return _images(self._stream(make_call(count, options)))

    async def generate_files(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedFile]:
        """Like `generate`, for models of any kind; see `Client.generate_files`."""
        return [file async for file in self.stream_files(count, **options)]

    def stream_files(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[GeneratedFile, None]:
        """Like `stream`, for models of any kind."""
        return self._stream(make_call(count, options))

    async def upscale(
        self, picture: PictureFile, **options: Unpack[UpscaleOptions]
    ) -> UpscaledPicture:
        """Enlarge a picture; see `Client.upscale`."""
        call = await asyncio.to_thread(make_upscale_call, picture, options)
        return await self._run(upscale_picture(call, self._patience))

    async def upscale_to_file(
        self,
        picture: PictureFile,
        path: str | os.PathLike[str],
        **options: Unpack[UpscaleOptions],
    ) -> Upscaled:
        """Enlarge a picture into a file; see `Client.upscale_to_file`."""
        call = await asyncio.to_thread(make_upscale_call, picture, options)
        with new_file(Path(path)) as output:
            return await self._run(upscale_to_file(call, output, self._patience))

    async def translate(
        self, picture: PictureFile, **options: Unpack[TranslateOptions]
    ) -> UpscaledPicture:
        """Draw a PNG, JPEG or WebP file in another style and return it as a PNG; as `upscale`."""
        call = await asyncio.to_thread(make_translate_call, picture, options)
        return await self._run(upscale_picture(call, self._patience))

    async def translate_to_file(
        self,
        picture: PictureFile,
        path: str | os.PathLike[str],
        **options: Unpack[TranslateOptions],
    ) -> Upscaled:
        """Like `translate`, but write the PNG to `path` as `upscale_to_file` does."""
        call = await asyncio.to_thread(make_translate_call, picture, options)
        with new_file(Path(path)) as output:
            return await self._run(upscale_to_file(call, output, self._patience))

    async def edit(self, picture: PictureFile, **options: Unpack[EditOptions]) -> EditedPicture:
        """Edit a picture; see `Client.edit`."""
        call = await asyncio.to_thread(make_edit_call, picture, options)
        return await self._run(edit_picture(call, self._patience))

    async def interpolate(
        self, points: Sequence[Point], **options: Unpack[InterpolateOptions]
    ) -> list[InterpolatedFrame]:
        """Make the frames between points and return them in order; see `Client.interpolate`."""
        call = make_interpolate_call(points, options)
        return await self._run(interpolate_frames(call, self._patience))

    async def interpolate_to_file(
        self,
        points: Sequence[Point],
        path: str | os.PathLike[str],
        **options: Unpack[InterpolateOptions],
    ) -> Interpolated:
        """Write the frames to a file; see `Client.interpolate_to_file`."""
        call = make_interpolate_call(points, options, Path(path))
        with new_file(Path(path)) as output:
            return await self._run(interpolate_to_file(call, output, self._patience))

    async def models(self) -> list[Model]:
        """List the models of the server."""
        return await self._run(list_models(self._patience))

    async def model(self, name: str) -> ModelDetail:
        """Describe a model and its versions in the server's memory."""
        return await self._run(describe_model(name, self._patience))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _connect(self) -> None:
        self._http = httpx.AsyncClient(**self._http_settings())

    async def _stream(self, call: GenerateCall) -> AsyncGenerator[GeneratedFile, None]:
        head, rest = call.split(self._page_size)
        images = await self._run(generate_files(head, self._patience))
        for image in images:
            yield image
        if rest:
            first = images[0]
            rest = rest.pinned(first.model, first.version, first.upscale)
            async with aclosing(self._ahead(rest)) as ahead:
                async for image in ahead:
                    yield image

    async def _ahead(self, call: GenerateCall) -> AsyncGenerator[GeneratedFile, None]:
        """Generate pages in tasks; one extra task waits, so that no connection is idle."""
        pages: deque[asyncio.Task[list[GeneratedFile]]] = deque()
        try:
            for page in call.parts(self._page_size):
                pages.append(asyncio.create_task(self._run(generate_files(page, self._patience))))
                if len(pages) > self._parallel:
                    for image in await pages.popleft():
                        yield image
            while pages:
                for image in await pages.popleft():
                    yield image
        finally:
            for task in pages:
                task.cancel()
            await asyncio.gather(*pages, return_exceptions=True)

    async def _run(self, exchange: Exchange[T]) -> T:
        """Run an exchange."""
        try:
            attempt = next(exchange)
            while True:
                await asyncio.sleep(attempt.pause_s)
                attempt = exchange.send(await self._send(attempt.request))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Outcome:
        try:
            async with self._http.stream(**http_request(request)) as response:
                if request.output is None or not response.is_success:
                    await response.aread()
                else:
                    output = restart(request.output)
                    async for piece in response.aiter_bytes():
                        output.write(piece)
                return response
        except httpx.RequestError as error:
            return error


async def _images(
    files: AsyncGenerator[GeneratedFile, None],
) -> AsyncGenerator[GeneratedImage, None]:
    """Yield the files as images; closes them when it is closed."""
    async with aclosing(files):
        async for file in files:
            yield file.image()
