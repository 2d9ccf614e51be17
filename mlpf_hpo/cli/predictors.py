"""`mlpf-hpo predictors`: final values predicted from partial learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import (
    CURVES_HELP,
    PARAMS,
    Hyperparameters,
    LossPrefix,
    Mode,
    ParamsFile,
    column_names,
    column_option,
    examples,
    flags_named,
    group,
    open_curves,
)
from mlpf_hpo.seeds import LARGEST_SEED

EXAMPLES = examples(
    "mlpf-hpo predictors evaluate --curves table.csv --known-fraction 0.25 --train 20 --splits 100",
    "mlpf-hpo predictors fit --curves data/curves.parquet --out predictor.skops",
    "mlpf-hpo predictors predict --curves running.csv --model predictor.skops",
    "mlpf-hpo predictors register",
    "mlpf-hpo predictors retire curve-predictor-val-loss-16-epochs-72bd9e87/3",
)
app = group("Final values predicted from partial learning curves.", epilog=EXAMPLES)

FEW_SPLITS = 10
"""Splits from which on a process of its own saves time."""

Curves = Annotated[Path, typer.Option(help=CURVES_HELP)]
TargetEpoch = Annotated[
    str,
    typer.Option(
        help="Epochs after which a value is final: a number, or own: each curve's own end, or its column "
        "target_epoch; the last column by default."
    ),
]
Share = Annotated[float, typer.Option(min=0.0, help="Share of the curve that is seen, from 0 to below 1.")]


@app.command(epilog=EXAMPLES)
def evaluate(
    curves: Curves,
    known_fraction: Share = 0.25,
    train: Annotated[int, typer.Option(min=3, help="Training curves of a split.")] = 20,
    splits: Annotated[int, typer.Option(min=1, help="Random splits by configuration.")] = 100,
    json: Annotated[Path | None, typer.Option(help="File for the scores.")] = None,
    predictors: Annotated[str, typer.Option(help="Names, separated by commas; selected: chosen anew.")] = "",
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
    target_epoch: TargetEpoch = "",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of splits, folds, predictors.")] = 42,
    params: ParamsFile = PARAMS,
) -> None:
    """Score predictors on a table of curves: fitted on some configurations, scored on others.

    Prints means over splits with 95 % intervals, persistence (the last value seen) beside them. A curve that
    ended before its target epoch is left out; one of several with the same configuration stays on their side
    of a split. If there are repeats, the noise ceiling is what a perfect prediction of the means of the
    configurations would reach.

    Rows may come in any order. Equal predictions have equal chances of a place in the top 10.
    """
    from mlpf_hpo.files import write_json
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.predictors.noise_ceiling import noise_ceiling
    from mlpf_hpo.predictors.outliers import describe_outlier
    from mlpf_hpo.predictors.repeated_splits import evaluate as score_all
    from mlpf_hpo.reporting.evaluation import (
        HEADER,
        as_json,
        ceiling_rows,
        describe_evaluation,
        describe_noise,
        parse_predictor_names,
        score_rows,
    )

    settings, table = _settings(params), open_curves(curves, loss_prefix, mode, hyperparameters)
    everything, usable_curves, known = _with_finals(table, target_epoch, known_fraction)
    _print_data(usable_curves, curves)
    with console.progress_bar("evaluate") as progress:
        names, jobs = parse_predictor_names(predictors), max(1, min(usable_cpus(), splits // FEW_SPLITS))
        found = score_all(usable_curves, names, known, train, splits, settings, seed, progress, jobs)
    noise, ceiling = noise_ceiling(usable_curves, train, splits, seed)
    console.out.print(describe_evaluation(found, usable_curves), markup=False)
    console.out.print(console.columns(HEADER, [*score_rows(found), *ceiling_rows(ceiling)]), markup=False)
    for note in (*describe_noise(noise, ceiling), *describe_outlier(everything)):
        console.out.print(note, markup=False)
    if json is not None:
        write_json(json, as_json(found, usable_curves, known_fraction, seed, noise, ceiling))


@app.command(epilog=EXAMPLES)
def fit(
    curves: Curves,
    out: Annotated[Path, typer.Option(help="Model file to write (skops: data, no code).")],
    predictor: Annotated[str, typer.Option(help="Name; empty: chosen by cross-validation.")] = "",
    known_fraction: Share = 0.25,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
    target_epoch: TargetEpoch = "",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of folds and predictors.")] = 42,
    params: ParamsFile = PARAMS,
) -> None:
    """Fit a predictor that predicts from any number of epochs, and write it to a file."""
    from mlpf_hpo.curves.target_epochs import describe_targets
    from mlpf_hpo.files import write_bytes
    from mlpf_hpo.predictors.criteria import fit_chosen
    from mlpf_hpo.predictors.model_format import model_bytes

    table = open_curves(curves, loss_prefix, mode, hyperparameters)
    _, usable_curves, known = _with_finals(table, target_epoch, known_fraction)
    _print_data(usable_curves, curves)
    names = (predictor,) if predictor else None
    with flags_named({"predictors.candidates": "--predictor"}):
        made, why = fit_chosen(usable_curves, known, _settings(params), seed, names)
    write_bytes(out, model_bytes(made))
    fitted_on = f"{len(usable_curves)} curves of {describe_targets(usable_curves)}"
    console.out.print(f"{out}: {made.name}, fitted on {fitted_on}{why}", markup=False)


@app.command(epilog=EXAMPLES)
def predict(
    curves: Curves,
    model: Annotated[
        str,
        typer.Option(help="Model file, or MODEL@ALIAS in the registry; by default the search's champion."),
    ] = "",
    coverage: Annotated[float, typer.Option(help="Of the intervals, within (0, 1).")] = 0.9,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
    target_epoch: TargetEpoch = "",
    params: ParamsFile = PARAMS,
) -> None:
    """Predict the final value of each curve from its observed epochs, with an interval.

    Columns of epochs that no curve has reached may be missing; a gap in a curve is refused. Hyperparameters
    outside their range in training are warned of. A curve that was stopped is predicted from what was
    observed of it. A predictor that was fitted with --target-epoch own needs the number of epochs to predict:
    that option, or a column target_epoch.
    """
    from mlpf_hpo.curves.target_epochs import describe_targets
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.predictors.model_file import load_predictor
    from mlpf_hpo.predictors.observed import to_predict
    from mlpf_hpo.registry.load import load_registered
    from mlpf_hpo.reporting.evaluation import PREDICTED, predicted_rows

    if not 0 < coverage < 1:
        raise ConfigurationError(f"--coverage {coverage:g}: must lie between 0 and 1")
    if not model or ("@" in model and not Path(model).exists()):
        made, _ = load_registered(model or _champion(params))
    else:
        made = load_predictor(Path(model))
    names = made.hyperparameters
    asked = column_names(hyperparameters)
    if asked is not None and sorted(asked) != sorted(names):
        raise ConfigurationError(f"--hyperparameters {hyperparameters}: it was fitted on {', '.join(names)}")
    if mode not in ("", made.mode):
        raise ConfigurationError(f"--mode {mode}: it was fitted with --mode {made.mode}")
    table = open_curves(curves, loss_prefix, made.mode, ",".join(names))
    observed = to_predict(made, table, _target(target_epoch))
    rows, warnings = predicted_rows(made, observed, coverage)
    console.out.print(console.columns(PREDICTED, rows), markup=False)
    for warning in warnings:
        console.out.print(warning, markup=False)
    final = describe_targets(observed) if made.own_targets else f"{made.n_epochs} epochs"
    console.out.print(f"final: after {final}; intervals at {coverage:.0%} coverage", markup=False)
    _print_data(observed, curves)


@app.command(epilog=EXAMPLES)
def register(
    comparison: Annotated[Path, typer.Option(help="Of the stage `predictors`.")] = Path(
        "results/predictors.json"
    ),
    models: Annotated[Path, typer.Option(help="Its model files.")] = Path("models/predictors"),
    curves: Annotated[Path, typer.Option(help="The curves that it was fitted on.")] = Path(
        "data/curves.parquet"
    ),
    params: ParamsFile = PARAMS,
) -> None:
    """Register the predictor that the stage `predictors` chose, as the stage `register` does.

    There is a champion for each length of curves, metric and search space. The predictor takes its place
    where there is none, or where its spec is better, both fitted on the same folds of these curves; or
    where it is a newer fit of the champion's own spec, on no fewer curves. Else it is the challenger. What
    was decided is printed, and why. A champion that cannot be compared is an error: see `retire`.
    """
    from mlpf_hpo.config import load_params
    from mlpf_hpo.curves.shipped_files import curves_file
    from mlpf_hpo.registry.registration import register_winner, summary

    settings = load_params(params)
    record = register_winner(
        settings.predictors,
        settings.seed,
        settings.space.search_space(),
        settings.search.champion,
        comparison,
        models,
        curves_file(curves) or curves,
    )
    console.out.print(summary(record), markup=False)


@app.command(epilog=EXAMPLES)
def retire(
    version: Annotated[str, typer.Argument(help="The champion to give up: MODEL/VERSION.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Give up a champion that cannot be used any more: its files are lost, or it is of an older mlpf_hpo.

    Its alias is taken away; the version stays in the registry. The next predictor that is registered becomes
    the champion without being compared.
    """
    from mlpf_hpo.registry.champion import retire_champion

    console.out.print(retire_champion(version, _params(params).search.champion), markup=False)


def _champion(params: Path) -> str:
    """Return the champion that the search of these parameters would take."""
    from mlpf_hpo.config.champion import search_scope

    settings = _params(params)
    return f"{search_scope(settings).model}@{settings.search.champion}"


def _params(params: Path) -> Any:
    from mlpf_hpo.config import Params, load_params

    return load_params(params) if params.is_file() else Params()


def _settings(params: Path) -> Any:
    return _params(params).predictors


def _target(text: str) -> Any:
    from mlpf_hpo.errors import ConfigurationError

    if text in ("", "own"):
        return text or None
    if not text.isdecimal():
        raise ConfigurationError(f"--target-epoch {text}: must be a number of epochs, or own")
    return int(text)


def _with_finals(curves: Any, target_epoch: str, known_fraction: float) -> tuple[Any, Any, int]:
    """Return curves with their target epochs, those that have a final value, and the observed epochs."""
    from mlpf_hpo.curves.target_epochs import typical_target, with_finals, with_target_epoch
    from mlpf_hpo.predictors.nested_cv import known_epochs_at

    share, targeted = _share(known_fraction), with_target_epoch(curves, _target(target_epoch))
    known = known_epochs_at(share, typical_target(targeted))
    return targeted, with_finals(targeted, known), known


def _print_data(curves: Any, file: Path) -> None:
    """Print the metric, the hyperparameters, and the columns and rows that are left out."""
    from mlpf_hpo.curves.columns import describe_features
    from mlpf_hpo.curves.left_out_rows import describe_left_out_rows

    target, option = curves.target.to_dict(), column_option(file)
    used = describe_features(target, curves.hyperparameters, curves.left_out, option)
    console.out.print(used, markup=False)
    rows = describe_left_out_rows(curves.left_out_rows, len(curves))
    if rows:
        console.out.print(rows, markup=False)


def _share(share: float) -> float:
    from mlpf_hpo.errors import ConfigurationError

    if not 0 <= share < 1:
        raise ConfigurationError(f"--known-fraction {share:g}: from 0 to below 1, of which nothing is left")
    return share
