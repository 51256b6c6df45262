"""What the log tells of one request; routes write into it what only they know."""

from dataclasses import dataclass

from starlette.requests import Request

from mirage.service.entry import Outcome
from mirage.service.keys_file import Key


@dataclass
class Record:
    """The facts of a request. Never a body, a latent or the text of a key; times in seconds.

    `client` is the client's address, which is not logged.
    """

    request_id: str
    client: str = ""
    key: Key | None = None
    model: str | None = None
    images: int | None = None
    queue_s: float | None = None
    engine_s: float | None = None
    encode_s: float | None = None

    def note(self, model: str, images: int, outcome: Outcome, encode_s: float) -> None:
        """Take down what was made, by which `name@version`, and how long that took."""
        self.model, self.images, self.encode_s = model, images, encode_s
        self.queue_s, self.engine_s = outcome.queue_s, outcome.run_s


def record_of(request: Request) -> Record:
    """The record of the request."""
    record: Record = request.state.record
    return record
