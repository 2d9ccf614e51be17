"""What is on record: campaigns, searches, the champion, and which runs are alive. Reads, never writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import links, run_lookup
from mlpf_hpo.tracking.aliases import predictors
from mlpf_hpo.tracking.driver_process import driver_state
from mlpf_hpo.tracking.duplicate_runs import counted_once
from mlpf_hpo.tracking.mlflow_errors import with_read_errors
from mlpf_hpo.tracking.reader import all_runs
from mlpf_hpo.tracking.store_writes import experiment_name

KINDS = ("campaign", "search")
"""What has links to its curves; a reference training is one trial."""


@dataclass(frozen=True)
class Work:
    """One campaign, or one scheduler's search.

    Attributes
    ----------
    name, experiment_id, run_id : str
        Of its parent run.
    trials : mapping of str to int
        Number of trials by status.
    running : bool
        Whether MLflow shows the parent run as RUNNING.
    alive : bool or None
        Whether the process that drives it lives; None where that can't be known from here, or it has ended.
    driver, evidence : str
        Process and machine that drive it, or drove it last; how it is known whether they do.
    finished : bool
        Whether all its trials have ended.
    """

    kind: str
    campaign_id: str
    name: str
    experiment_id: str
    run_id: str
    trials: dict[str, int]
    running: bool
    alive: bool | None
    driver: str
    evidence: str
    target: TargetMetric
    finished: bool

    @property
    def state(self) -> str:
        """State of its driver, for people."""
        if not self.running:
            return "ended"
        descriptions = {
            True: f"running, driven by {self.driver}: {self.evidence}",
            False: f"left RUNNING by {self.driver}, which is dead: {self.evidence}; the next run of its "
            "stage takes it up",
            None: f"RUNNING; whether its driver ({self.driver}) lives can't be seen from here: "
            f"{self.evidence}",
        }
        return descriptions[self.alive]


@dataclass(frozen=True)
class Champion:
    """A version of a registered model that an alias points at.

    Attributes
    ----------
    digest, source : str
        The data set it was fitted on: digest, and the campaign of its curves.
    link, run_link : str
        The version, and the run that made it, with its scores and data set.
    """

    model: str
    alias: str
    version: str
    predictor: str
    digest: str
    source: str
    link: str
    run_link: str


@dataclass(frozen=True)
class Overview:
    """Everything on record, newest first; champions by model."""

    work: list[Work] = field(default_factory=list)
    champions: list[Champion] = field(default_factory=list)


@with_read_errors
def overview(client: MlflowClient) -> Overview:
    """Look over a store; an empty one gives an empty overview."""
    work = [found for kind in run_lookup.KINDS for found in work_on_record(client, kind)]
    return Overview(work=work, champions=champions(client))


def work_on_record(client: MlflowClient, kind: str, campaign_id: str | None = None) -> list[Work]:
    """Return the campaigns, or searches, newest first; or the one with that id, if it is there."""
    condition = "tags.campaign_id LIKE '%'" if campaign_id is None else links.condition_on(campaign_id)
    experiment = client.get_experiment_by_name(experiment_name(kind))
    if experiment is None:
        return []
    parents: list[Run] = []
    trials: dict[str, Counter[str]] = {}
    for run in counted_once(all_runs(client, experiment.experiment_id, condition)):
        tags = run.data.tags
        if tags.get("kind") == kind:
            parents.append(run)
        elif tags.get("kind") == "trial":
            counts = trials.setdefault(tags["campaign_id"], Counter())
            counts[tags.get("trial_status", "unknown")] += 1
    return [_to_work(kind, run, trials.get(run.data.tags["campaign_id"], Counter())) for run in parents]


def _to_work(kind: str, run: Run, trials: Counter[str]) -> Work:
    tags, running = run.data.tags, run.info.status == "RUNNING"
    driver = driver_state(tags)
    return Work(
        kind=kind,
        campaign_id=tags["campaign_id"],
        name=run.info.run_name,
        experiment_id=run.info.experiment_id,
        run_id=run.info.run_id,
        trials=dict(sorted(trials.items())),
        running=running,
        alive=driver.alive if running else None,
        driver=driver.name,
        evidence=driver.evidence,
        finished=run.info.status == "FINISHED",
        target=TargetMetric.of_tags(tags),
    )


def champions(client: MlflowClient) -> list[Champion]:
    """Return the versions that aliases of registered predictors point at, model by model."""
    out = []
    for model in predictors(client):
        for alias, number in sorted(model.aliases.items()):
            version = client.get_model_version(model.name, str(number))
            tags = version.tags
            out.append(
                Champion(
                    model=model.name,
                    alias=alias,
                    version=str(version.version),
                    predictor=tags.get("predictor", "?"),
                    digest=tags.get("dataset_digest", "?"),
                    source=tags.get("source", "?"),
                    link=links.model_link(model.name, version.version),
                    run_link=_source_link(client, tags.get("source_run", "")),
                )
            )
    return out


def _source_link(client: MlflowClient, run_id: str) -> str:
    try:
        run = client.get_run(run_id)
    except MlflowException:
        return f"(run {run_id or 'unknown'} is gone)"
    return links.run_link(run.info.experiment_id, run_id)
