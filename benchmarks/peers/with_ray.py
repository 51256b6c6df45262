"""Ray Serve: two batching replicas behind HAProxy, as its documentation recommends."""

import os
import time

os.environ.setdefault("RAY_SERVE_ENABLE_HA_PROXY", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from common import MODEL, MOST, PORT, WORKERS, open_session, read, together
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=256)
class Generator:
    def __init__(self) -> None:
        self.session = open_session()

    @serve.batch(max_batch_size=MOST, batch_wait_timeout_s=0.0)
    async def make(self, requests: list) -> list[bytes]:
        return together(self.session, requests)

    async def __call__(self, request: Request) -> Response:
        return Response(await self.make(read(await request.body())), media_type="image/png")


if __name__ == "__main__":
    environment = {"BENCH_MODEL": MODEL, "PYTHONPATH": os.path.dirname(__file__)}
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200_000_000,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Generator.bind(), route_prefix="/generate")
    while True:
        time.sleep(60)
