"""openapi.json: what FastAPI cannot see by itself, since bodies are read and answers are written by hand."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from swapline_gateway.schema.views import ProblemBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import FastAPI
    from pydantic import BaseModel

REF = "#/components/schemas/{model}"

ALWAYS = (401, 403, 429, 503)
"""Problems of every route."""

MEANINGS = {
    400: "The body is malformed.",
    401: "No key, or an unknown one.",
    403: "The key has not the scope.",
    404: "There is no such thing for this key's tenant.",
    409: "It does not fit what is there: another body under the same idempotency key, or the state it is in.",
    410: "It was there, and is deleted.",
    413: "The body is too large, and was not read.",
    415: "The body is of another type than the route takes.",
    416: "The range is not within the picture.",
    422: "A field is wrong; nothing was stored or charged.",
    429: "Too many requests; Retry-After says when the next may come.",
    503: "Redis or the store does not answer; Retry-After says when to try again.",
}

ABOUT = """Face-swap jobs over HTTP. No job is lost, no credit is spent twice: what was answered with 200 or 202 ends.

Every request needs a key: `Authorization: Bearer swk_…`. A key sees the jobs of its tenant alone. Errors are problems
of RFC 9457 and say what to do and whether anything was charged. Links are relative to this server."""

_bodies: dict[str, type[BaseModel]] = {}


_SWAP = "v1_swaps__swap_id_"
FROM_SWAP = {
    name: {"operationId": f"{name}_{_SWAP}{rest}", "parameters": {"swap_id": "$response.body#/id"}}
    for name, rest in {"get_swap": "_get", "cancel_swap": "_cancel_post", "replay_swap": "_replay_post"}.items()
}
"""What an answer with a swap leads to, for readers and generators: OpenAPI's links."""


def answers(
    model: type[BaseModel] | None,
    good: Mapping[int, str],
    *,
    problems: Iterable[int] = (),
    links: Mapping[str, Any] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The answers of a route: `good` ones with a model and links, and problems."""
    more: dict[str, Any] = ({"model": model} if model else {}) | ({"links": links} if links else {})
    found: dict[int | str, dict[str, Any]] = {status: {"description": text, **more} for status, text in good.items()}
    schema = {"schema": {"$ref": REF.format(model="Problem")}}
    for status in sorted({*problems, *ALWAYS}):
        found[status] = {"description": MEANINGS[status], "content": {"application/problem+json": schema}}
    return found


def event_stream() -> dict[int | str, dict[str, Any]]:
    """The answers of a stream of events."""
    example = (
        'id: 1764327600000-0\ndata: {"at":"2025-11-28T11:00:00.000Z","name":"queued","data":{},"state":"QUEUED"}\n\n'
    )
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {
        200: {"description": "Events; `data` is an Event as JSON.", "content": content},
        204: {"description": "Nothing more can happen: do not come back."},
        **answers(None, {}, problems=(404, 422)),
    }


def ndjson_body() -> dict[str, Any]:
    """Rows of swaps."""
    example = '{"image":"https://pictures.example/1.jpg","gender":1,"filter_id":12}\n'
    content = {"application/x-ndjson": {"schema": {"type": "string"}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def ndjson_answer() -> dict[int | str, dict[str, Any]]:
    """A line for each row."""
    example = '{"row":1,"id":"0193…","created":true}\n{"batch":"spring","rows":1,"enqueued":1,"refused":0}\n'
    content = {"application/x-ndjson": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "A line for each row, and one for all.", "content": content}} | answers(
        None, {}, problems=(422,)
    )


def picture() -> dict[int | str, dict[str, Any]]:
    """The answers of a picture."""
    content: dict[str, dict[str, Any]] = {"image/png": {}, "image/jpeg": {}, "image/webp": {}}
    return {
        200: {"description": "The picture.", "content": content},
        206: {"description": "A part of it.", "content": content},
        302: {"description": "A link of the store, in `Location`."},
        304: {"description": "It is the one that If-None-Match names."},
        **answers(None, {}, problems=(404, 410, 416, 422)),
    }


def swap_body(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a swap, as JSON or as a form."""
    _bodies[model.__name__] = model
    content = {
        "application/json": {"schema": {"$ref": REF.format(model=model.__name__)}, "examples": EXAMPLES},
        "multipart/form-data": {"schema": {"$ref": REF.format(model="SwapForm")}},
    }
    return {"requestBody": {"required": True, "content": content}, "parameters": SWAP_HEADERS}


def json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """A short JSON body."""
    _bodies[model.__name__] = model
    content = {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}
    return {"requestBody": {"required": required, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """Draw openapi.json once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title="Swapline",
            version=version("swapline-gateway"),
            description=ABOUT,
            routes=app.routes,
            servers=app.servers,
        )
        schemas = found["components"]["schemas"]
        models: dict[str, type[BaseModel]] = {**_bodies, "Problem": ProblemBody}
        for name, model in models.items():
            _add(schemas, name, model.model_json_schema(ref_template=REF))
        body = schemas["SwapBody"]
        image = {**body["properties"]["image"], "contentMediaType": "application/octet-stream"}
        image.pop("examples")
        schemas["SwapForm"] = {**body, "title": "SwapForm", "properties": {**body["properties"], "image": image}}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        found["components"]["schemas"] = dict(sorted(schemas.items()))
        app.openapi_schema = found
    return app.openapi_schema


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    for inner, described in schema.pop("$defs", {}).items():
        schemas.setdefault(inner, described)
    schemas[name] = schema


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


SWAP_HEADERS = [
    _header(
        "Idempotency-Key",
        "The same key and body find the same swap, however often they are sent.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    _header("Prefer", "`wait=30`: answer when the swap has ended, after 60 s at most.", {"type": "string"}),
]

EXAMPLES = {
    "url": {
        "summary": "A picture at a public URL",
        "value": {"image": "https://pictures.example/me.jpg", "gender": "female", "filter_id": 12},
    },
    "webhook": {
        "summary": "With a webhook and metadata",
        "value": {
            "image": "https://pictures.example/me.jpg",
            "gender": 0,
            "filter_id": 12,
            "ratio": "square",
            "webhook_url": "https://shop.example/hooks/swapline",
            "metadata": {"order": "4711"},
        },
    },
}
