"""`mlpf-hpo tune`: one search of one's own, outside of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import EVENTS, IN_PARAMS, PARAMS, EventsFolder, ParamsFile, examples, flags_named
from mlpf_hpo.seeds import LARGEST_SEED

if TYPE_CHECKING:
    from mlpf_hpo.config import Params
    from mlpf_hpo.tuning.search import SearchPlan

EXAMPLES = examples(
    "mlpf-hpo tune --configurations 24 --epochs 16 --prior data/curves.parquet",
    "mlpf-hpo tune --configurations 24 --epochs 16 --prior data/curves.parquet --resume",
    "mlpf-hpo tune --scheduler asha:grace_epochs=1:reduction_factor=3 --json search.json",
    "mlpf-hpo tune --scheduler asha --epochs 16 --predictor "
    "models:/curve-predictor-val-loss-16-epochs-72bd9e87/champion",
    also="docs/schedulers.md has all schedulers and their settings.",
)

FLAGS = {
    "search.schedulers.0.prior": "--prior",
    "search.schedulers.0": "--scheduler",
    "search.schedulers": "--scheduler",
    "search.configurations": "--configurations",
    "search.max_epochs": "--epochs",
    "resources.concurrency": "--workers",
}


def tune(
    scheduler: Annotated[
        str, typer.Option(help="NAME\\[:key=value...]: its name, settings of its own, and its searcher.")
    ] = "freeze_thaw",
    configurations: Annotated[
        int | None,
        typer.Option(min=1, max=10**5, help="Configurations to draw.", show_default=IN_PARAMS),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=2, max=10**6, help="Epochs of a full training.", show_default=IN_PARAMS),
    ] = None,
    predictor: Annotated[
        str,
        typer.Option(
            help="models:/NAME/VERSION_OR_ALIAS in the registry; what it predicts to lose is stopped too."
        ),
    ] = "",
    prior: Annotated[
        str,
        typer.Option(
            help="Curves of a prior campaign, for a scheduler or searcher that uses one: Parquet or CSV, or "
            "the name of a data set that is shipped."
        ),
    ] = "none",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="Other seeds draw others.", show_default=IN_PARAMS),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Trials at the same time.", show_default=IN_PARAMS)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with this search, which is on record.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(help="File for the record, in the words of results/search.json.")
    ] = None,
    events: EventsFolder = EVENTS,
    params: ParamsFile = PARAMS,
) -> None:
    """Search for the best configuration with one scheduler: trials under Ray Tune, every epoch in MLflow.

    Task, space, network, target and all that is not given here are those of params.yaml.

    A search on record is the same one if these are, and the seed, the scheduler with all its settings, the
    prior, the predictor and both sizes. If it is finished, its result is shown and nothing is trained. If it
    was interrupted or killed, --resume goes on with it, from checkpoints and with the same decisions; trials
    that failed are tried again.

    At the end it prints what was spent, what was stopped or never started, links into MLflow, and the command
    that trains the best configuration.
    """
    from mlpf_hpo.config import load_params
    from mlpf_hpo.errors import InterruptedStageError
    from mlpf_hpo.tuning.own_search import check_room, run_own_search

    settings = load_params(params)
    with flags_named(FLAGS):
        resources = settings.resources.model_copy(update={"concurrency": workers} if workers else {})
        seed = settings.seed if seed is None else seed
        plan = _plan(settings, scheduler, configurations, epochs, predictor, prior, seed, events)
        if workers:
            check_room(resources, plan.specs[0].task.resources)
        try:
            with console.progress_bar("tune", len(plan.specs)) as progress:
                record = run_own_search(
                    plan,
                    seed=seed,
                    resume=resume,
                    resources=resources,
                    patience_seconds=settings.tracking.patience_seconds,
                    on_progress=progress,
                )
        except InterruptedStageError as error:
            raise InterruptedStageError(f"{error}, with --resume") from None
    (found,) = record.content["schedulers"].values()
    if found["reused"] == len(plan.specs):
        console.out.print(f"search {found['campaign_id']} was finished: nothing is trained", markup=False)
    console.out.print(record.summary(), markup=False)
    whole = len(plan.specs) * plan.settings.max_epochs
    console.out.print(f"{found['epochs']} epochs spent; all in full are {whole}", markup=False)
    console.out.print(_best(found, plan, events, params), markup=False)
    if json is not None:
        record.write(json)
        console.out.print(f"record: {json}", markup=False)


def _plan(
    params: Params,
    scheduler: str,
    configurations: int | None,
    epochs: int | None,
    predictor: str,
    prior: str,
    seed: int,
    events: Path,
) -> SearchPlan:
    """Return the search that the options describe, over what params.yaml says."""
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.search.scheduler_spec import SchedulerSpec
    from mlpf_hpo.tuning.search import plan_search
    from mlpf_hpo.tuning.settings import PredictionParams, SchedulerParams

    spec = SchedulerSpec.parse(scheduler, "--scheduler")
    target, space, shared = params.target.with_mode(), params.space.search_space(), params.search
    prediction = PredictionParams() if predictor else None
    chosen = SchedulerParams(name=spec.name, prior=prior, prediction=prediction, **spec.settings)
    search = shared.model_copy(
        update={
            "configurations": configurations or shared.configurations,
            "max_epochs": epochs or shared.max_epochs,
            "schedulers": (chosen,),
        }
    )
    used = _used(predictor, params, search.max_epochs) if predictor else None
    return plan_search(task_of(params, events), space, target, search, seed, used)


def _used(reference: str, params: Params, epochs: int) -> Any:
    """Return the registered predictor that the scheduler is to hold."""
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.registry.champion_scope import ChampionScope
    from mlpf_hpo.registry.load import load_for_search
    from mlpf_hpo.tuning.search import UsedPredictor

    if params.search.predict_from_epoch >= epochs:
        raise ConfigurationError(
            f"--predictor: search.predict_from_epoch ({params.search.predict_from_epoch}) of params.yaml "
            f"leaves nothing to predict of {epochs} epochs (--epochs)"
        )
    scope = ChampionScope.of_search(params.target.with_mode(), epochs, params.space.search_space())
    return UsedPredictor(*load_for_search(reference, scope), alias=None)


def _best(found: Mapping[str, Any], plan: SearchPlan, events: Path, params: Path) -> str:
    """Return the best configuration for people: as a command, if one trains it."""
    from mlpf_hpo.config.train_command import train_command
    from mlpf_hpo.mlpf.task import MLPFTask

    spec = next(spec for spec in plan.specs if spec.trial_id == found["best_trial"])
    heading = f"best configuration, {spec.trial_id}, {plan.target.metric} {found['best_loss']:.6g}:"
    configuration = {name: found["best_configuration"][name] for name in spec.configuration}
    if not isinstance(spec.task, MLPFTask):
        values = ", ".join(f"{name}={value}" for name, value in configuration.items())
        return f"{heading} {values}, seed={spec.seed}"
    out = Path("runs", f"{found['campaign_id']}-{spec.trial_id}")
    command = train_command(configuration, spec.seed, plan.settings.max_epochs, out, events, params)
    return f"{heading}\n{command}"
