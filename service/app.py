"""Wires the parts to one application; nothing is loaded before it starts."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from service.errors import ServiceError
from service.middleware import CountRequests, HeadAsGet
from service.openapi import write_document
from service.problems import answer_http_error, answer_service_error, answer_unknown_error
from service.routes import generate, router
from service.settings import Settings
from service.state import Service


def create_app(settings: Settings) -> FastAPI:
    """An application that loads its models when it starts and finishes its work when it stops.

    Starting raises StartError when the models that must serve cannot.
    """
    service = Service(settings)
    app = FastAPI(
        title="Mirage",
        version="1",
        description="Serves images of trained generators.",
        lifespan=_lifespan,
        redirect_slashes=False,
        redoc_url=None,
        middleware=[Middleware(HeadAsGet)],
        exception_handlers={
            ServiceError: answer_service_error,
            HTTPException: answer_http_error,
            Exception: answer_unknown_error,
        },
    )
    app.state.service = service
    # A plain route: FastAPI's own handling would cost more than all the rest of a small request.
    counted = [Middleware(CountRequests, metrics=service.metrics)]
    app.router.routes.append(Route("/generate", generate, methods=["POST"], middleware=counted))
    app.include_router(router)
    document = functools.cache(functools.partial(write_document, app, settings))
    app.openapi = document  # type: ignore[method-assign]  # FastAPI's way to extend the document
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    try:
        await service.models.open()
        yield
    finally:
        await service.close()
