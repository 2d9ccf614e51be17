"""What the tables of curves say, as the numbers of one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpf_hpo.curves.defects import count_defects
from mlpf_hpo.curves.repeats import repeat_noise
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.seeds import derive_seed
from studies.campaign.agreement import longer_training, second_task
from studies.campaign.crossing import crossing_pair
from studies.campaign.data import StudyTables, one_each
from studies.campaign.importance import importances
from studies.campaign.noise import cost_against_quality, noise_by_learning_rate, null_network
from studies.campaign.params import CampaignStudyParams
from studies.campaign.settling import ranks_settling


def find_all(tables: StudyTables, params: CampaignStudyParams, planned: Mapping[str, int]) -> dict[str, Any]:
    """Return everything that the page says of the tables, but for predictors.

    Returns
    -------
    dict
        `planned`, `there` (counts of what was planned), `main` and `published` (see `of_table`; None without
        the table), `longer` and `second_task` (see `agreement`; None without the table).
    """
    wanted, main = params.analysis, tables.main
    longer = second = None
    if tables.longer is not None:
        seed = derive_seed(params.seed, "longer")
        longer = longer_training(tables.longer, planned["epochs"], wanted.draws, seed)
    if tables.second_task is not None:
        seed = derive_seed(params.seed, "second task")
        second = second_task(main, tables.second_task, wanted.top, wanted.draws, seed)
    return {
        "planned": dict(planned),
        "there": counts(tables),
        "main": of_table(main, params),
        "published": None if tables.published is None else of_table(tables.published, params),
        "longer": longer,
        "second_task": second,
    }


def of_table(curves: LearningCurves, params: CampaignStudyParams) -> dict[str, Any]:
    """Return what one table says: `about`, and what each module finds; None where rows do not allow it."""
    wanted, noise = params.analysis, repeat_noise(curves)
    seed, draws = derive_seed(params.seed, "analysis"), wanted.draws
    return {
        "about": {
            "source": curves.source,
            "rows": len(curves),
            "configurations": len(set(curves.groups)),
            "compared": len(one_each(curves)),
            "n_epochs": curves.n_epochs,
            "metric": curves.metric,
            "status": {name: int((curves.status == name).sum()) for name in sorted(set(curves.status))},
            "defects": count_defects(curves),
            "noise": None if noise is None else noise.to_dict(),
        },
        "settling": ranks_settling(curves, wanted.top, draws, seed),
        "crossing": crossing_pair(curves, wanted.observed_share),
        "importance": importances(curves, wanted.forests, wanted.trees, seed),
        "seed_noise": noise_by_learning_rate(curves, wanted.learning_rate, draws, seed),
        "null_network": null_network(curves, wanted.layers, draws, seed),
        "cost": cost_against_quality(curves, wanted.cost, draws, seed),
    }


def counts(tables: StudyTables) -> dict[str, int]:
    """Return how much there is of what `params.planned_counts` counts."""
    main = tables.main
    repeated = {str(one) for one in main.groups[main.duplicated]}
    return {
        "configurations": len(set(main.groups)),
        "epochs": main.n_epochs,
        "repeated": len(repeated),
        "longer": 0 if tables.longer is None else len(set(tables.longer.groups)),
        "second_task": 0 if tables.second_task is None else len(set(tables.second_task.groups)),
    }


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few numbers that `dvc metrics` compares; null where there are none."""
    main = found["main"]
    settling, importance = main["settling"], main["importance"]
    return {
        "there": found["there"],
        "spearman_at_half": _at_half(settling, "spearman"),
        "top_recall_at_half": _at_half(settling, "top_recall"),
        "crossing_pairs_at_half": None if settling is None else _half(settling["crossing_pairs"]),
        "noise_to_spread": None if main["seed_noise"] is None else main["seed_noise"]["to_spread"],
        "better_than_null_network": _mean(main["null_network"], "better"),
        "importance": None
        if importance is None
        else {name: one["mean"] for name, one in importance["hyperparameters"].items()},
        "second_task_spearman": _mean(found["second_task"], "spearman"),
        "longer_spearman": _mean(found["longer"], "spearman"),
    }


def _at_half(settling: Mapping[str, Any] | None, name: str) -> float | None:
    return None if settling is None else _half(settling[name]["mean"])


def _half(values: list[float]) -> float:
    """Return the value after half of the epochs."""
    return values[max(0, (len(values) + 1) // 2 - 1)]


def _mean(found: Mapping[str, Any] | None, name: str) -> float | None:
    return None if found is None else found[name]["mean"]
