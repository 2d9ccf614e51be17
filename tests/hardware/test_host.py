"""The record of a machine: stable, readable, overridable."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys

from mlpf_hpo.hardware.host import LABEL_VARIABLE, Gpu, describe_host, usable_cpus


def test_the_record_is_json_and_names_the_machine() -> None:
    host = describe_host()
    record = json.loads(json.dumps(host.record()))
    assert record["hardware_id"] == host.hardware_id
    assert 1 <= host.usable_cpus <= host.logical_cores
    assert host.memory_bytes > 2**28
    assert host.versions["torch"]
    tags = host.tags()
    assert {"hardware_id", "hardware_label", "host", "cpu", "cpus_usable", "memory_gib", "gpu"} < set(tags)
    assert "RAPL" in tags["energy"]  # the counters that are read, or why there are none


def test_the_label_fits_into_run_names(monkeypatch) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", describe_host().hardware_label)
    monkeypatch.setenv(LABEL_VARIABLE, "my cluster / A100")
    assert describe_host().hardware_label == "my-cluster-A100"


def test_the_id_is_that_of_the_hardware() -> None:
    host = describe_host()
    other = dataclasses.replace(host, hostname="elsewhere", versions={}, threads={})
    assert other.hardware_id == host.hardware_id
    assert dataclasses.replace(host, cpu_model="x").hardware_id != host.hardware_id
    gpu = Gpu("NVIDIA A100", 80 * 2**30, "1")
    with_gpu = dataclasses.replace(host, gpus=(gpu,))
    assert with_gpu.hardware_id != host.hardware_id
    assert with_gpu.hardware_label.startswith("1xA100")
    newer_driver = dataclasses.replace(host, gpus=(dataclasses.replace(gpu, driver="2"),))
    assert newer_driver.hardware_id == with_gpu.hardware_id


def test_the_id_is_the_same_in_every_process() -> None:
    code = "from mlpf_hpo.hardware.host import describe_host; print(describe_host().hardware_id)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == describe_host().hardware_id


def test_affinity_bounds_the_processors() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)
