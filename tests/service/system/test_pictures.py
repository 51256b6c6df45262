"""Pictures through the real server, with several workers."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from mirage.bundle.store.release import release
from tests.service.helpers.pictures import encoded, noise
from tests.service.helpers.server_process import Process, serving
from tests.upscalers import ToyUpscaler, make_upscaler

FLAGS = ("--default-model", "larger", "--workers", "2", "--threads", "2", "--tile", "64")


def enlarge(process: Process, body: bytes) -> tuple[str | None, bytes]:
    """The Transfer-Encoding and the bytes of the answer, on a connection of its own."""
    connection = process.connect()
    try:
        connection.request("POST", "/upscale", body, {"Content-Type": "image/png"})
        response = connection.getresponse()
        found = response.read()
        assert response.status == 200, found
        return response.headers["transfer-encoding"], found
    finally:
        connection.close()


def test_all_workers_make_the_same_bytes_while_they_send_them(tmp_path: Path) -> None:
    make_upscaler(tmp_path)
    release(tmp_path, "larger", 1)
    picture = noise(300, 200, 3)
    body = encoded(picture)
    with serving(tmp_path, *FLAGS) as process:
        with ThreadPoolExecutor(12) as pool:
            answers = set(pool.map(lambda _: enlarge(process, body), range(24)))
        assert enlarge(process, encoded(noise(5, 7, 3)))[0] is None  # in one write
        assert process.stop() == 0
    ((encoding, found),) = answers
    assert encoding == "chunked"
    with Image.open(io.BytesIO(found)) as image:
        difference = np.abs(np.asarray(image).astype(int) - ToyUpscaler().images(picture[None])[0])
    assert difference.max() <= 1
