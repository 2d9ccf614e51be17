"""What a trial's epoch takes on top of a bare loop over the same batches.

Lightning, the callbacks that measure and the report are on top; the checkpoint, which a bare loop would want
as well, is told apart. MLflow is not: the driver writes it, in another process, while the trial goes on.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.cases import CALM, LAPTOP, LAPTOP_CONFIGURATION, event_of
from benchmarks.clock import DEVICE, Step, now, seconds
from mlpf_hpo.config import Params
from mlpf_hpo.events.datamodule import EventDataModule
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.tuning import trial
from mlpf_hpo.tuning.checkpoints import save_checkpoint
from mlpf_hpo.tuning.trial import EpochReport, TrialSpec


def framework(quick: bool) -> dict[str, float]:
    """Compare epochs of a trial at the defaults of params.yaml with bare ones, in turns."""
    defaults = Params()
    sizes = {"train": defaults.events.train.events, "validation": defaults.events.validation.events}
    framework, checkpoint = shares(sizes, CALM, epochs=5 if quick else 25)
    return {"framework_overhead": framework, "framework.checkpoint_share": checkpoint}


def shares(n_events: dict[str, int], elements: int, epochs: int) -> tuple[float, float]:
    """Return what the framework, and what the checkpoint adds to a bare epoch, each as a share of it.

    Parameters
    ----------
    n_events : mapping
        Number of events of `train` and `validation`.
    elements : int
        Elements of an event.
    epochs : int
        Of the trial; the first one warms up.
    """
    with tempfile.TemporaryDirectory() as folder:
        spec = _spec(Path(folder), n_events, elements)
        bare = bare_epoch(spec)
        found: list[tuple[float, float]] = []
        begun = written = now()

        def save(*what: Any) -> None:
            nonlocal written
            written = seconds(lambda: save_checkpoint(*what))

        def after(report: EpochReport) -> None:
            nonlocal begun
            of_trial, of_loop = now() - begun, seconds(bare)
            if report.epoch > 1:
                found.append(((of_trial - written) / of_loop - 1, written / of_loop))
            begun = now()

        with mock.patch.object(trial, "save_checkpoint", save):
            trial.train_trial(spec, epochs, Path(folder, "checkpoints"), after)
    framework, checkpoint = zip(*found, strict=True)
    return statistics.median(framework), statistics.median(checkpoint)


def bare_epoch(spec: TrialSpec) -> Step:
    """Return an epoch without a framework: training steps, validation, and the epoch's numbers."""
    module = MLPFModule(spec.configuration, spec.network, spec.seed).to(DEVICE)
    optimiser = module.configure_optimizers()
    events = EventDataModule(spec.train, spec.validation, spec.training.batch_events, spec.seed)
    events.setup()
    training, validation = events.train_dataloader(), events.val_dataloader()

    def epoch() -> None:
        module.train()
        for batch in training:
            optimiser.zero_grad()
            module.training_step(batch.to(DEVICE), 1).backward()
            optimiser.step()
        module.eval()
        with torch.inference_mode():
            for number, batch in enumerate(validation):
                module.validation_step(batch.to(DEVICE), number)
        module.on_train_epoch_end()

    return epoch


def _spec(folder: Path, n_events: dict[str, int], elements: int) -> TrialSpec:
    for name, n in n_events.items():
        write_store(folder / name, [event_of(elements, number) for number in range(n)], {})
    return TrialSpec(
        trial_id="benchmark",
        configuration=LAPTOP_CONFIGURATION,
        seed=1,
        train=folder / "train",
        validation=folder / "validation",
        events_digest="made up",
        network=LAPTOP,
        training=Params().training,
    )
