"""`Recorded`: a sampler that records the results of a paid device, with a budget of device time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock

from mlpf_hpo.errors import BudgetError
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.predictors.qubo import BitArray, Qubo
from mlpf_hpo.predictors.samplers.base import Sampler, SampleResult
from mlpf_hpo.remedies import make_again

MARGIN = 1.2
"""By which an access time may exceed what the device's model foresees."""

MAKER = "predictors"
"""The stage that asks devices."""

REMEDY = f"remove it, and the device is asked and paid again by: {make_again(MAKER)}"


class Device(Sampler, Protocol):
    """A sampler that charges for its time: `info["device_seconds"]` of its results."""

    def expected_seconds(self, qubo: Qubo) -> float:
        """Return what `sample` will be charged for, in seconds."""
        ...


@dataclass(frozen=True)
class Recorded:
    """A device whose answers lie in a folder; a problem that was answered before is not sent again.

    Before a problem is sent, what is expected to be charged, with a margin of a fifth, is entered in the
    folder. The answer takes the entry's place. A submission whose answer never came (a lost connection, a
    killed process) stays entered: its cost is unknown. One process at a time sends.

    Attributes
    ----------
    device : Device
        Who is asked.
    budget_seconds : float
        Most that all problems of the folder may be charged for, together.
    folder : str
        Where the answers lie.
    settings : str
        Of the device, as far as its answers depend on them: part of a problem's identity.
    """

    device: Device
    budget_seconds: float
    folder: str
    settings: str = ""

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Return the answer on record, or ask for one.

        Raises
        ------
        BudgetError
            If the answer could exceed the budget; nothing is sent.
        ConfigurationError
            As the device.
        DataError, StorageError
            If a record is damaged, or cannot be written.
        """
        place = Path(self.folder)
        place.mkdir(parents=True, exist_ok=True)
        answer = place / f"{self._identity(qubo, seed)}.json"
        with FileLock(place / "lock"):
            if answer.exists():
                return _read(answer, qubo)
            entry, expected = self._enter(qubo, answer)
            result = self.device.sample(qubo, seed)
            # A device that does not report its charge is assumed to have charged the expected time.
            _write(answer, result, float(result.info.get("device_seconds", expected)))
            entry.unlink()
        return result

    def spent_seconds(self) -> float:
        """Return what all problems of the folder were charged for, submissions without an answer included."""
        records = sorted(Path(self.folder).glob("*.json"))
        return float(sum(read_record(path, MAKER, REMEDY)["charged_seconds"] for path in records))

    def _enter(self, qubo: Qubo, answer: Path) -> tuple[Path, float]:
        expected = MARGIN * self.device.expected_seconds(qubo)
        spent = self.spent_seconds()
        if spent + expected > self.budget_seconds:
            raise BudgetError(
                f"{self.folder}: of {self.budget_seconds:g} seconds of a device {spent:.3f} are spent, "
                f"the next problem may take {expected:.3f}: it was not sent. Answers so far are kept; to go "
                "on from them, raise predictors.qsvr.device_seconds"
            )
        attempts = len(list(answer.parent.glob(f"{answer.stem}.sent*.json")))
        entry = answer.with_name(f"{answer.stem}.sent{attempts}.json")
        write_record(entry, {"charged_seconds": expected})
        return entry, expected

    def _identity(self, qubo: Qubo, seed: int) -> str:
        content = hashlib.sha256(np.ascontiguousarray(qubo.matrix).tobytes())
        content.update(json.dumps([qubo.offset, seed, type(self.device).__name__, self.settings]).encode())
        return content.hexdigest()[:32]


def _write(path: Path, result: SampleResult, charged: float) -> None:
    record: dict[str, Any] = {
        "charged_seconds": charged,
        "bits": np.packbits(result.samples.astype(np.uint8), axis=1).tobytes().hex(),
        "reads": len(result.samples),
        "seconds": result.seconds,
        "info": dict(result.info),
    }
    write_record(path, record)


def _read(path: Path, qubo: Qubo) -> SampleResult:
    record = read_record(path, MAKER, REMEDY)
    packed = np.frombuffer(bytes.fromhex(record["bits"]), dtype=np.uint8).reshape(record["reads"], -1)
    samples: BitArray = np.unpackbits(packed, axis=1, count=qubo.n_variables)
    return SampleResult(samples, qubo.energies(samples), record["seconds"], record["info"])
