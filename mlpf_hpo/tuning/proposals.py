"""Trials whose configurations a searcher proposes: their specs, and how they are taken up after a restart."""

from __future__ import annotations

from collections.abc import Iterable

from mlpf_hpo.errors import DataError
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.schedulers.proposing import ProposingScheduler
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import Configuration
from mlpf_hpo.tuning.driver import Recorder


def take_up_proposals(recorder: Recorder, on_record: Iterable[TrialSummary]) -> None:
    """Give trials that have runs the configurations that stand there.

    Raises
    ------
    DataError
        If such a configuration is not the one that was trained.
    """
    for trial in on_record:
        spec = recorder.configure(trial.trial_id, trial.configuration)
        if spec.key != trial.trial_key:
            raise DataError(
                f"run {trial.run_id} of trial {trial.trial_id}: its parameters are not those that it was "
                f"opened with (key {spec.key}, {trial.trial_key} on record); delete the run to train it anew"
            )


def follow_proposals(
    scheduler: ProposingScheduler, ledger: Ledger, recorder: Recorder, on_record: Iterable[TrialSummary]
) -> None:
    """Tell the searcher which trials have started; those that start from now on become what it proposes.

    Before `Ledger.restore`, which repeats their results.
    """
    for trial in on_record:
        scheduler.start(trial.trial_id, trial.configuration)

    def realize(trial_id: str, proposed: Configuration) -> Configuration:
        spec, trial = recorder.configure(trial_id, proposed), ledger.trials[trial_id]
        trial.key, trial.configuration = spec.key, spec.configuration
        return spec.configuration

    scheduler.realize = realize
