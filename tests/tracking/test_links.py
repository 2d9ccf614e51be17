"""Links open the intended view."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from mlpf_hpo.tracking import links


def query(url: str) -> dict[str, list[str]]:
    """Return the query behind the fragment's path."""
    return parse_qs(urlsplit(url).fragment.split("?", 1)[1])


def test_coordinates_and_server(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:8080/")
    url = links.compare_link("3", ["a", "b"])
    assert url.startswith("http://server:8080/#/compare-runs?")
    assert json.loads(query(url)["runs"][0]) == ["a", "b"]
    assert json.loads(query(url)["experiments"][0]) == ["3"]


def test_saved_views_and_links_within_the_ui(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    url = links.saved_view_link("3", "hardware-comparison-abc")
    assert query(url)["viewStateShareKey"] == ["hardware-comparison-abc"]
    assert query(url)["compareRunsMode"] == ["CHART"]
    assert "searchFilter" not in query(url), "the UI would not open the view"
    assert links.within(url) == url.removeprefix("http://127.0.0.1:5000/")
    assert links.relocated(f"see {url}", "http://box:8080") == f"see http://box:8080/{links.within(url)}"


def test_every_link_opens_beside_the_tools_for_trainings() -> None:
    for url in (
        links.run_link("3", "r"),
        links.artifact_link("3", "r", "hosts/a.json"),
        links.experiment_link("3"),
        links.compare_link("3", ["r", "s"]),
    ):
        assert query(url)["workflowType"] == ["machine_learning"], url
