"""Swagger UI for the OpenAPI document, from local files."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

STATIC = "/docs/static"
PACKAGE, FOLDER = "fastapi_swagger", "resources"  # Swagger UI as files; its code is not used

router = APIRouter()


@router.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> Response:
    """Swagger UI."""
    root = request.scope.get("root_path", "").rstrip("/")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{root}{STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{STATIC}/swagger-ui.css",
        swagger_favicon_url=f"{root}{STATIC}/favicon-32x32.png",
    )


def static_files() -> StaticFiles:
    """The script, the style and the icon of Swagger UI."""
    return StaticFiles(packages=[(PACKAGE, FOLDER)])
