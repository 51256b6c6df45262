"""BentoML: adaptive batching in worker processes behind a front end that returns PNG."""

import bentoml
import numpy as np
from common import MOST, WORKERS, encode, open_session, read
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

QUIET = {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}}


@bentoml.service(workers=WORKERS, **QUIET)
class Engine:
    def __init__(self) -> None:
        self.session = open_session()

    @bentoml.api(batchable=True, max_batch_size=MOST, max_latency_ms=60_000)
    def make(self, latents: np.ndarray) -> np.ndarray:
        from common import generate

        return generate(self.session, latents.astype(np.float32))


async def answer(request: Request) -> Response:
    engine = bentoml.get_current_service().engine
    images = await engine.to_async.make(read(await request.body()))
    return Response(encode(images), media_type="image/png")


app = Starlette(routes=[Route("/generate", answer, methods=["POST"])])


@bentoml.service(**QUIET)
@bentoml.asgi_app(app)
class Generator:
    engine = bentoml.depends(Engine)
