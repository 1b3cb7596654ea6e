"""`/docs`: openapi.json as one page of our own, without scripts, and without anything from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #222; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; } h3 code { background: none; }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f4f4f4; border-radius: 3px; }
pre { padding: .7rem; overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top; }
.verb { color: #fff; background: #2a6; border-radius: 3px; padding: .1rem .4rem; font-size: .85rem; }
.POST { background: #26a; } .DELETE { background: #a33; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } code, pre { background: #262626; } }
"""


def page(document: dict[str, Any], root: str) -> str:
    """Draw the page."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(document['info']['title'])}</title>",
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>",
        f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
        f"<p>For generators: <a href='{escape(root)}/openapi.json'>openapi.json</a></p>",
    ]
    for path, operations in document["paths"].items():
        parts += [_operation(path, verb.upper(), operation) for verb, operation in operations.items()]
    parts.append("<h2>Shapes</h2>")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "".join(parts)


def _operation(path: str, verb: str, operation: dict[str, Any]) -> str:
    rows = [
        (f"{one['name']} ({one['in']})", one.get("description", ""), one.get("schema", {}))
        for one in operation.get("parameters", ())
    ]
    bodies = operation.get("requestBody", {}).get("content", {})
    rows += [(f"body: {kind}", "", content.get("schema", {})) for kind, content in bodies.items()]
    answers = "".join(
        f"<tr><td>{status}<td>{escape(answer['description'])}<td>{_kinds(answer)}"
        for status, answer in sorted(operation["responses"].items())
    )
    examples = "".join(
        f"<p>{escape(example['summary'])}<pre>{escape(json.dumps(example['value'], indent=2))}</pre>"
        for content in bodies.values()
        for example in content.get("examples", {}).values()
    )
    return (
        f"<h2><span class='verb {verb}'>{verb}</span> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', ''))}</p>"
        f"<table>{_rows(rows)}</table>{examples}<h3>Answers</h3><table>{answers}</table>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (field if field in required else f"{field} (optional)", one.get("description", ""), one)
        for field, one in schema.get("properties", {}).items()
    ]
    values = f"<p>One of {escape(', '.join(map(str, schema['enum'])))}" if "enum" in schema else ""
    return f"<h3 id='{escape(name)}'>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>{values}" + (
        f"<table>{_rows(rows)}</table>" if rows else ""
    )


def _rows(rows: list[tuple[str, str, dict[str, Any]]]) -> str:
    return "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(text)}<td>{_type(schema)}" for name, text, schema in rows
    )


def _kinds(answer: dict[str, Any]) -> str:
    return " ".join(
        _type(content.get("schema", {})) or escape(kind) for kind, content in answer.get("content", {}).items()
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return escape(str(schema.get("type", "")))
