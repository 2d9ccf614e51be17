"""Copy the network of a trial, or of the best of a search, out of the folder of its checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.files import written_whole
from mlpf_hpo.project import state_folder, trial_folder
from mlpf_hpo.remedies import make_again
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.tuning.checkpoints import newest_checkpoint


def copy_best_network(search: Mapping[str, Any], out: Path, state: Path | None = None) -> Path:
    """Copy the newest checkpoint of the best trial to `out`/<campaign_id>/<trial_key>, and return the copy.

    It is the network after the trial's last epoch, which need not be its best. What was in `out` is replaced.

    Raises
    ------
    MissingInputError
        If the checkpoint is gone or damaged; `run_search` makes sure that it is there.
    """
    best = best_trial(search)
    folder = trial_folder(state or state_folder(), best["campaign_id"], best["trial_key"])
    try:
        return copy_checkpoint(folder, out, best["campaign_id"])
    except MissingInputError:
        raise MissingInputError(
            f"{folder}: the checkpoints of the best trial, {best['trial_id']}, are gone or damaged; to take "
            f"the network from its run, or train it again where it isn't there either: {make_again('search')}"
        ) from None


def copy_checkpoint(folder: Path, out: Path, campaign_id: str) -> Path:
    """Copy the newest checkpoint of a trial's folder to `out`/<campaign_id>/<trial_key>; return the copy.

    Raises
    ------
    MissingInputError
        If there is none that is whole.
    """
    checkpoint = newest_checkpoint(folder)
    if checkpoint is None:
        raise MissingInputError(f"{folder}: no checkpoint in this folder that is whole")
    copy = Path(campaign_id, folder.name, checkpoint.path.name)
    with written_whole(out) as temporary:
        (temporary / copy).parent.mkdir(parents=True)
        shutil.copyfile(checkpoint.path, temporary / copy)
    return out / copy
