"""Builds the ASGI application."""

import functools
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from mirage.service.api import health, models
from mirage.service.api.document.docs import STATIC, static_files
from mirage.service.api.document.docs import router as docs_router
from mirage.service.api.document.openapi import write_document
from mirage.service.api.fast_path import PATH, FastPath, Generate
from mirage.service.api.interpolate import interpolate
from mirage.service.api.openinference.routes import ProtocolErrors
from mirage.service.api.openinference.routes import routes as inference_routes
from mirage.service.api.pictures.invert import router as invert_router
from mirage.service.api.pictures.route import router as pictures_router
from mirage.service.api.playground import router as playground_router
from mirage.service.api.problems import (
    answer_bad_parameters,
    answer_http_error,
    answer_service_error,
    answer_unknown_error,
)
from mirage.service.api.security.auth import AskForKey
from mirage.service.api.security.middleware import (
    CountRequests,
    Drain,
    HeadAsGet,
    UnderPrefix,
    allow_origins,
)
from mirage.service.api.state import Service
from mirage.service.errors import ServiceError
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.logging import LogRequests
from mirage.service.telemetry.metrics import Metrics


def create_app(
    settings: Settings,
    counters: SharedCounters | None = None,
    metrics: Metrics | None = None,
    barrier: ReleaseBarrier | None = None,
) -> FastAPI:
    """Create an application, which loads its models at startup and drains at shutdown.

    `counters`, `metrics` and `barrier` are shared with other workers; None for a single process.
    Startup raises StartError if a required model cannot be loaded, and KeysError for a broken keys
    file.
    """
    service = Service(settings, counters, metrics or Metrics(), barrier)
    generate: ASGIApp = Generate(service)
    if settings.cors_origins:
        generate = allow_origins(generate, settings.cors_origins)
    app = FastPath(
        generate,
        title="Mirage",
        version=version("mirage-gan"),
        description="Serves images of trained generators.",
        lifespan=_lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operator.attrgetter("name"),
        docs_url=None,  # FastAPI's page loads files from other hosts
        redoc_url=None,
        middleware=_middleware(service),
        exception_handlers={
            ServiceError: answer_service_error,
            HTTPException: answer_http_error,
            RequestValidationError: answer_bad_parameters,
            Exception: answer_unknown_error,
        },
    )
    app.state.service = service
    app.router.routes.append(Route(PATH, generate, methods=["POST"]))  # for other methods: 405
    # A plain route: FastAPI's handling takes a large part of the time of a small request.
    counted = [Middleware(CountRequests, metrics=service.metrics)]
    app.router.routes.append(
        Route("/interpolate", interpolate, methods=["POST"], middleware=counted)
    )
    app.router.routes.extend(inference_routes(service.metrics))
    app.include_router(pictures_router)
    app.include_router(invert_router)
    app.include_router(models.router)
    app.include_router(health.router)
    app.include_router(docs_router)
    app.include_router(playground_router)
    app.mount(STATIC, static_files())
    document = functools.cache(functools.partial(write_document, app, settings))
    app.openapi = document  # type: ignore[method-assign]  # FastAPI's way to extend the document
    return app


def _middleware(service: Service) -> list[Middleware]:
    """The middleware around all routes, outermost first."""
    around = [Middleware(LogRequests), Middleware(HeadAsGet), Middleware(ProtocolErrors)]
    around.append(Middleware(Drain, service=service))
    if origins := service.settings.cors_origins:
        around.append(Middleware(allow_origins, origins=origins))
    if service.keys is not None:
        around.append(Middleware(AskForKey, keys=service.keys, metrics=service.metrics))
    if service.settings.root_path:  # innermost: the others see the original path
        around.append(Middleware(UnderPrefix, root_path=service.settings.root_path))
    return around


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    try:
        await service.open()
        yield
    finally:
        await service.close()
