"""What containers of hepscore_cases.yaml leave, for the real program and for ours."""

import json
from pathlib import Path
from typing import Any

APP = {"version": "v1", "description": "invented", "containment": "none"}


def document(case: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a case."""
    benchmarks = {name: {"version": "v1", **content} for name, content in case["benchmarks"].items()}
    content = {"settings": {**common, **case.get("settings", {})}, "benchmarks": benchmarks}
    return {"hepscore" if str(case.get("version")) == "2.0" else "hepscore_benchmark": content}


def run(case: dict[str, Any], folder: Path) -> int:
    """Leave what the case says of the run whose folder this is; return the exit status."""
    name, number = folder.parent.name, int(folder.name.removeprefix("run"))
    left = case["runs"][name][number]
    if left is None:
        return 0
    if not {"scores", "exit", "text"} & set(left):
        left = {"scores": left}
    file = case["benchmarks"][name].get("results_file", f"{name}_summary.json")
    if "text" in left:
        (folder / file).write_text(left["text"])
    elif "scores" in left:
        log = left.get("log", "ok")
        content = {"wl-scores": left["scores"]} | ({} if log is None else {"log": log})
        whole = {"run_info": {"copies": 1}, "report": content, "app": APP}
        kept = {key: value for key, value in whole.items() if key not in left.get("lacks", ())}
        (folder / file).write_text(json.dumps(kept))
    return int(left.get("exit", 0))
