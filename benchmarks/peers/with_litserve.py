"""LitServe: batches in worker processes, with no batch timeout."""

import litserve
import numpy as np
from common import MOST, PORT, WORKERS, encode, generate, open_session
from fastapi import Response


class Generator(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.session = open_session()

    def decode_request(self, request: dict) -> np.ndarray:
        return np.array(request["latents"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return inputs

    def predict(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        images = generate(self.session, np.concatenate(inputs))
        return np.split(images, np.cumsum([len(part) for part in inputs])[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> Response:
        return Response(encode(output), media_type="image/png")


if __name__ == "__main__":
    api = Generator(max_batch_size=MOST, batch_timeout=0.0, api_path="/generate")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, fast_queue=True)
    server.run(port=PORT, log_level="error", generate_client_file=False)
