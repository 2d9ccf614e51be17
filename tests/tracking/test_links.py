"""Links open the intended view."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from mlpf_hpo.tracking import links


def query(url: str) -> dict[str, list[str]]:
    """Return the query behind the fragment's path."""
    return parse_qs(urlsplit(url).fragment.split("?", 1)[1])


def test_curves(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    url = links.curves_link("3", links.condition_on("abc"))
    assert url.startswith("http://127.0.0.1:5000/#/experiments/3/runs?")
    asked = query(url)
    assert asked["searchFilter"] == ["tags.kind = 'trial' and tags.campaign_id = 'abc'"]
    assert asked["orderByKey"] == ["metrics.`val/loss`"]
    assert asked["compareRunsMode"] == ["CHART"]


def test_coordinates_and_server(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:8080/")
    url = links.compare_link("3", ["a", "b"])
    assert url.startswith("http://server:8080/#/compare-runs?")
    assert json.loads(query(url)["runs"][0]) == ["a", "b"]
    assert json.loads(query(url)["experiments"][0]) == ["3"]
