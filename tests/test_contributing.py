"""What CONTRIBUTING.md says of the project is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mlpf_hpo.extensions import GROUPS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def floors() -> list[str]:
    """Return the layers that import-linter checks, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return layers


def test_the_picture_shows_the_floors_in_their_order() -> None:
    (picture,) = re.findall(r"```\n(application.*?)```", TEXT, re.DOTALL)
    drawn = re.findall(r"(?<![\w(])\w+", re.sub(r"\(.*?\)", "", picture))
    halls = {"application", "services", "core", "ground"}
    drawn = [name for name in drawn if name not in halls]
    ground = drawn.index("space")
    exact = [name for layer in floors() for name in re.findall(r"\w+", layer)]
    assert set(drawn) <= set(exact)
    assert drawn[:ground] == exact[:ground]


def test_every_kind_of_extension_is_documented() -> None:
    for group in GROUPS:
        assert f"`{group}`" in TEXT


def test_the_files_that_are_named_exist() -> None:
    for name in re.findall(r"`((?:tests|docs|predictors|search|curves|events|workload)/[\w/.]*)`", TEXT):
        assert (ROOT / name).exists() or (ROOT / "mlpf_hpo" / name).exists(), name
