"""The site of docs/: its references are complete, every link leads somewhere, no page needs a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from mlpf_hpo.cli.app import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _extensions(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs/extensions"))


def keys(node: object, path: str = "") -> list[str]:
    """Return the paths of all values in a parameter file, lists and open mappings being values."""
    if not isinstance(node, dict) or path in ("space", "task_settings"):
        return [path]
    return [key for name, one in node.items() for key in keys(one, f"{path}.{name}".lstrip("."))]


def test_every_parameter_of_the_file_is_in_the_reference_with_its_comment() -> None:
    from parameter_reference import reference

    text = reference()
    for key in keys(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))):
        assert f"| `{key}` |" in text, key
    row = next(line for line in text.splitlines() if "`training.batch_elements`" in line)
    assert "whole number >= 1" in row
    assert "`null`" in row
    assert "a budget of elements a batch instead" in row


def commands(command: object, name: str) -> list[tuple[str, object]]:
    """Return every command that does something, with its name, those of groups within groups too."""
    within = getattr(command, "commands", None)
    if within is None:
        return [(name, command)]
    own = [(name, command)] if command.invoke_without_command else []
    return own + [
        one
        for sub, inner in within.items()
        if not inner.deprecated
        for one in commands(inner, f"{name} {sub}")
    ]


def test_every_command_and_option_is_in_the_reference() -> None:
    from command_reference import reference

    sections = dict(
        re.findall(r"^#+ (mlpf-hpo[^\n]*)\n(.*?)(?=^#+ |\Z)", reference(), re.DOTALL | re.MULTILINE)
    )
    found = commands(typer.main.get_command(app), "mlpf-hpo")
    assert len(found) > 20
    for name, command in found:
        assert command.help.partition("\n")[0] in sections[name], name
        for flag in (
            flag for one in command.params if not one.hidden for flag in one.opts if flag.startswith("-")
        ):
            assert flag in sections[name], f"{name} {flag}"
    assert "[cyan]" not in "".join(sections.values())
    assert "\n$ mlpf-hpo replay --curves " in sections["mlpf-hpo replay"]


@pytest.mark.pipeline
def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {path.stem for path in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        scripts = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]*)"', text)
        styles = re.findall(r'<link rel="(?:stylesheet|preload)"[^>]*href="([^"]*)"', text)
        assert styles
        assert not [one for one in scripts + styles if re.match(r"(https?:)?//", one)], page.name
    start = (tmp_path / "start.html").read_text(encoding="utf-8")
    assert 'href="curves.html"' in start  # what the text names by its path
    assert "<svg" in (tmp_path / "_images/concepts-dark.svg").read_text(encoding="utf-8")


def test_a_path_that_leads_nowhere_is_a_warning(tmp_path, caplog) -> None:
    from types import SimpleNamespace

    from paths_as_links import link_paths

    (tmp_path / "curves.md").touch()
    source = ["see `docs/curves.md` and `docs/nothing.md`"]
    with caplog.at_level("WARNING"):
        link_paths(SimpleNamespace(srcdir=tmp_path), "start", source)
    assert source == ["see [](/curves.md) and `docs/nothing.md`"]
    assert "start names docs/nothing.md" in caplog.text
