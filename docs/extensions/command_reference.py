"""Sphinx: `{commands}` stands for a section per command of `mlpf-hpo`, from the command's own help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from generated_markdown import markdown_directive
from sphinx.application import Sphinx

from mlpf_hpo.cli.app import app as commands

PROGRAM = "mlpf-hpo"
EXAMPLE = re.compile(r"\[cyan\](.*?)\[/cyan\]", re.DOTALL)
BOLD = re.compile(r"\[bold\](.*?)\[/bold\]")


def reference() -> str:
    """Return the sections of all commands."""
    program = typer.main.get_command(commands)
    return "\n".join(
        line
        for name, command in program.commands.items()  # type: ignore[attr-defined]
        if not command.deprecated
        for line in section(command, f"{PROGRAM} {name}", level=2)
    )


def section(command: Any, name: str, level: int) -> Iterator[str]:
    """Yield the lines of a command's section, and of those of its subcommands."""
    yield f"{'#' * level} {name}\n"
    yield prose(command.help) + "\n"
    within = getattr(command, "commands", {})
    if not within or getattr(command, "invoke_without_command", False):
        context = typer.Context(command, info_name=name)
        pieces = " ".join(piece for one in command.params for piece in one.get_usage_pieces(context))
        yield f"```text\n{name} {pieces} [OPTIONS]\n```\n".replace("  ", " ")
        records = [
            one.get_help_record(context) for one in command.params if not getattr(one, "hidden", False)
        ]
        yield "| argument or option | |\n|---|---|"
        yield from (f"| `{escaped(flags)}` | {escaped(text)} |" for flags, text in filter(None, records))
        yield ""
        yield from shown_examples(command.epilog or "")
    for sub, subcommand in within.items():
        yield from section(subcommand, f"{name} {sub}", level + 1)


def shown_examples(epilog: str) -> Iterator[str]:
    """Yield the examples at the end of a help text as one block, and what it says beside them."""
    found = EXAMPLE.findall(epilog)
    if found:
        yield "```console\n" + "\n".join(f"$ {' '.join(line.split())}" for line in found) + "\n```\n"
    rest = EXAMPLE.sub("", epilog).replace("Examples:", "").strip()
    if rest:
        yield prose(rest) + "\n"


def prose(text: str | None) -> str:
    """Return a help text as Markdown: Rich's marks replaced, wrapped lines of a paragraph joined."""
    plain = BOLD.sub(r"**\1**", EXAMPLE.sub(r"`\1`", text or "")).replace("\\[", "[")
    return re.sub(r"(?<!\n)\n(?!\n)", " ", plain).replace("<", "&lt;")


def escaped(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("\\[", "[").replace("|", "\\|").replace("\n", " ").strip()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("commands", markdown_directive(reference))
    return {"parallel_read_safe": True}
