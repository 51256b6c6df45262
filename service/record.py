"""What the log tells of one request; routes write into it what only they know."""

from dataclasses import dataclass

from starlette.requests import Request


@dataclass
class Record:
    """The facts of a request. Never a body, a latent or the text of a key; times in seconds.

    `client` is the client's address, which is not logged; `key` is the name of the key, and
    `images_per_minute` the limit that it has of its own.
    """

    request_id: str
    client: str = ""
    key: str | None = None
    images_per_minute: int | None = None
    model: str | None = None
    images: int | None = None
    queue_s: float | None = None
    engine_s: float | None = None
    encode_s: float | None = None

    def note_key(self, name: str, images_per_minute: int | None) -> None:
        """Take down the key that the request carries, and the limit that it has of its own."""
        self.key, self.images_per_minute = name, images_per_minute

    def note(
        self, model: str, images: int, queue_s: float, engine_s: float, encode_s: float
    ) -> None:
        """Take down what was made, by which `name@version`, and how long that took."""
        self.model, self.images = model, images
        self.queue_s, self.engine_s, self.encode_s = queue_s, engine_s, encode_s


def record_of(request: Request) -> Record:
    """The record of the request."""
    record: Record = request.state.record
    return record
