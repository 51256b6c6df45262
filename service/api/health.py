"""Routes for liveness, readiness and metrics."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mirage.service.api.document.parts import TEXT, content, refusals
from mirage.service.api.schemas import Status
from mirage.service.api.state import service_of
from mirage.service.errors import (
    Draining,
    EngineStuck,
    MetricsUnavailable,
    NoReleasedModel,
    NotReady,
)
from mirage.service.telemetry.aggregation import MetricsLost

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["Operation"])


@router.get("/healthz", summary="Is the process alive?", responses=refusals(EngineStuck))
async def get_health(request: Request) -> Status:
    """503 if an engine run or all encoding threads hang; the process must then be replaced."""
    service_of(request).check_alive()
    return Status(status="alive")


@router.get(
    "/readyz",
    summary="Is it able to serve?",
    responses=refusals(NotReady, NoReleasedModel, Draining),
)
async def get_readiness(request: Request) -> Status:
    """503 until the models are loaded, while no model is released, and after the stop signal."""
    service_of(request).check_ready()
    return Status(status="ready")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": content(("text/plain",), TEXT)}, **refusals(MetricsUnavailable)},
)
async def get_metrics(request: Request) -> Response:
    """Prometheus' text format; 503 if the shared metrics of the workers are lost."""
    try:
        text = await service_of(request).exposition()
    except MetricsLost:
        raise MetricsUnavailable("the files of the metrics are gone") from None
    return Response(text, media_type=PROMETHEUS_TEXT)
