"""Enlarges pictures with a server."""

from collections.abc import Iterable
from pathlib import Path

import httpx

from ..client import Client
from ..errors import PictureError, Refused, Unreachable
from ..responses import Model
from ..upscale_call import TranslateOptions

# Statuses that concern a single picture, unless status 422 names one of the fields. Other errors
# concern all pictures.
OF_A_PICTURE = {400, 413, 415, 422, 500, 504}
FIELDS = {"model", "scale", "version"}


class ServerEnlarger:
    """Enlarges pictures with a server; all of them with the same version of a model."""

    def __init__(
        self,
        client: Client,
        parallel: int,
        scale: float | None = None,
        model: str | None = None,
        version: int | None = None,
        task: str = "upscale",
    ) -> None:
        found = choose_upscaler(client.models(), model, task)
        self._task = task
        self._client = client
        self._model = found.name if found else model
        self._version = version or (found.released if found else None)
        self._scale = scale
        self.scale = scale or (found.scale if found else None)
        self.parallel = parallel
        self.name = f"{self._model or 'the default model'}@{self._version or 'released'}"

    def enlarge(self, picture: Path, path: Path) -> None:
        """See `Enlarger.enlarge`; raises the errors of the client if all pictures fail."""
        try:
            self._send(picture, path)
        except Refused as error:
            if error.status not in OF_A_PICTURE or FIELDS & _fields(error):
                raise
            raise PictureError(str(error)) from error
        except Unreachable as error:
            # Not a lost server: it breaks the connection if it fails within a response.
            if isinstance(error.__cause__, httpx.RemoteProtocolError):
                raise PictureError(str(error)) from error
            raise

    def _send(self, picture: Path, path: Path) -> None:
        chosen: TranslateOptions = {"model": self._model, "version": self._version}
        if self._task == "translate":
            self._client.translate_to_file(picture, path, **chosen)
        else:
            self._client.upscale_to_file(picture, path, scale=self._scale, **chosen)

    def stop(self) -> None:
        """See `Enlarger.stop`."""
        self._client.cancel()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def choose_upscaler(
    models: Iterable[Model], name: str | None, task: str = "upscale"
) -> Model | None:
    """The named model, else the default one of the task, else the only released; None: neither."""
    if name is not None:
        return next((model for model in models if model.name == name), None)
    upscalers = [model for model in models if model.task == task]
    default = [model for model in upscalers if model.default]
    released = [model for model in upscalers if model.released is not None]
    found = default or released
    return found[0] if len(found) == 1 else None


def _fields(error: Refused) -> set[str]:
    """The names of the invalid fields of an error response, which may be malformed."""
    locations = [fault.get("loc") for fault in error.errors]
    parts = [part for loc in locations if isinstance(loc, list) for part in loc]
    return {part for part in parts if isinstance(part, str)}
