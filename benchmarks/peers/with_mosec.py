"""mosec: a Rust front end and batches in worker processes, with a batch timeout of 1 ms."""

import sys

from common import MODEL, MOST, PORT, WORKERS, open_session, read, together
from mosec import Server, Worker


class Generator(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.session = open_session()
        self.resp_mime_type = "image/png"

    def deserialize(self, data: bytes):
        return read(data)

    def forward(self, data: list) -> list[bytes]:
        return together(self.session, data)

    def serialize(self, data: bytes) -> bytes:
        return data


if __name__ == "__main__":
    sys.argv += ["--port", str(PORT), "--log-level", "error", "--capacity", "2048"]
    server = Server()
    server.append_worker(
        Generator,
        num=WORKERS,
        max_batch_size=MOST,
        max_wait_time=1,
        route="/generate",
        env=[{"BENCH_MODEL": MODEL}] * WORKERS,
    )
    server.run()
