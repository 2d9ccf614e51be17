"""The example of docs/curves.md runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/curves.md"


def test_the_example_runs(capsys) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(program, {})  # noqa: S102
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ of 40 curves have a value after 6 epochs", first)
    error, of_last = (float(number) for number in re.findall(r"\d+\.\d+", second))
    assert error < 0.2 * of_last
