"""Sphinx: `{parameters}` stands for tables of all keys of params.yaml, from the models that check them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated_markdown import markdown_directive
from sphinx.application import Sphinx

from mlpf_hpo.config import Params

FILE = Path(__file__).parents[2] / "params.yaml"
PAGE = re.compile(r"docs/(\w+)\.md")
LIMITS = {"minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}"}


def reference() -> str:
    """Return a section per section of params.yaml."""
    schema = Params.model_json_schema()
    comments = comments_of(FILE.read_text(encoding="utf-8"))
    lines: list[str] = []
    without: list[tuple[str, str, str]] = []
    for key, field in schema["properties"].items():
        model = resolved(field, schema)
        if "properties" in model:
            text = model.get("description", "").split("\n\nExamples")[0]
            lines += [f"## {key}\n", text + "\n", *table(list(keys(model, schema, key)), comments)]
        else:
            without.append((key, *described(field, schema)))
    text = "\n".join(["## Without a section\n", *table(without, comments), *lines])
    return PAGE.sub(r"[](/\1.md)", text)


def keys(model: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, kind and default of every key of a model and of the models within it."""
    for name, field in model["properties"].items():
        inner = resolved(field, schema)
        if "properties" in inner and "anyOf" not in field:
            yield from keys(inner, schema, f"{path}.{name}")
        else:
            yield (f"{path}.{name}", *described(field, schema))


def resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference in a JSON schema stands for."""
    name = field.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else field


def described(field: dict[str, Any], schema: dict[str, Any]) -> tuple[str, str]:
    """Return what values a key takes, and its default."""
    default = "" if "default" not in field else f"`{shown(field['default'])}`"
    return kind(field, schema), default


def kind(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what values a key takes, in words."""
    field = {**resolved(field, schema), **{k: v for k, v in field.items() if k != "$ref"}}
    if "anyOf" in field or "oneOf" in field:
        return " or ".join(dict.fromkeys(kind(one, schema) for one in field.get("anyOf", field.get("oneOf"))))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {kind(field.get('items', {}), schema)}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    name = words.get(field.get("type", ""), "nothing" if field.get("type") == "null" else "mapping")
    limits = [text.format(shown(field[key])) for key, text in LIMITS.items() if key in field]
    return " ".join([name, ", ".join(limits)]).strip()


def shown(value: object) -> str:
    """Return a value as YAML writes it, in one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(one)}" for key, one in value.items() if one is not None) + "}"
    return str(value)


def table(rows: list[tuple[str, str, str]], comments: dict[str, str]) -> list[str]:
    """Return the lines of a table."""
    head = ["| key | values | default | |", "|---|---|---|---|"]
    return [
        *head,
        *(f"| `{path}` | {kind} | {default} | {comments.get(path, '')} |" for path, kind, default in rows),
        "",
    ]


def comments_of(text: str) -> dict[str, str]:
    """Return what params.yaml says behind its keys, by path."""
    found, path = {}, []
    for line in text.splitlines():
        match = re.match(r"( *)(\w+):(.*)$", line)
        if match:
            path = [*path[: len(match[1]) // 2], match[2]]
            comment = re.search(r"(?:^|\s)#\s*(.*)$", match[3])
            if comment:
                found[".".join(path)] = comment[1].replace("|", "\\|")
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("parameters", markdown_directive(reference))
    return {"parallel_read_safe": True}
