"""The library of kernels: built where it can be, chosen by the processor, clean under sanitisers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.mlpf.native import kernels as native_kernels
from mlpf_hpo.mlpf.native.build import BASELINE, SOURCES, BuildError, build, instruction_sets
from mlpf_hpo.mlpf.native.kernels import OFF, VARIABLE, kernels, kernels_in_use

NATIVE = Path(native_kernels.__file__).parent
SETS = list(instruction_sets())


class TestChoice:
    def test_the_best_of_the_processor(self, monkeypatch, tmp_path) -> None:
        for flags, best in (("avx2 fma", "avx2"), ("avx2 fma avx512f", "avx2"), ("sse2", BASELINE)):
            monkeypatch.setattr(native_kernels, "CPUINFO", tmp_path / "cpuinfo")
            native_kernels.CPUINFO.write_text(f"processor : 0\nflags\t\t: fpu {flags}\n")
            assert native_kernels._best.__wrapped__() == (best if best in SETS else BASELINE)
        monkeypatch.setattr(native_kernels, "CPUINFO", tmp_path / "none")
        assert native_kernels._best.__wrapped__() == BASELINE

    @pytest.mark.parametrize(("vendor", "here"), [("AuthenticAMD", 1), ("GenuineIntel", 0)])
    def test_products_are_made_here_by_wide_vectors_of_amd_alone(
        self, monkeypatch, tmp_path, vendor, here
    ) -> None:
        monkeypatch.setattr(native_kernels, "CPUINFO", tmp_path / "cpuinfo")
        native_kernels.CPUINFO.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu\n")
        monkeypatch.setattr(native_kernels, "_vendor", native_kernels._vendor.__wrapped__)
        for name, of_this in (("avx512", here), ("avx2", 0), (BASELINE, 0)):
            monkeypatch.setattr(native_kernels, "kernels_name", lambda name=name: name)
            assert native_kernels.multiplier().here == of_this

    def test_another_name_is_refused(self, monkeypatch) -> None:
        monkeypatch.setenv(VARIABLE, "mmx")
        with pytest.raises(ConfigurationError, match="MLPF_HPO_KERNELS=mmx: must be one of off, "):
            kernels()

    @pytest.mark.skipif(len(SETS) == 1, reason="an architecture of one instruction set")
    def test_what_the_processor_has_not_is_refused(self, monkeypatch) -> None:
        monkeypatch.setattr(native_kernels, "_best", lambda: BASELINE)
        monkeypatch.setenv(VARIABLE, SETS[0])
        with pytest.raises(ConfigurationError, match=f"{SETS[0]}: this processor has {BASELINE}"):
            native_kernels._load.__wrapped__(SETS[0])

    def test_what_was_not_built_is_told(self, monkeypatch) -> None:
        monkeypatch.setattr(native_kernels, "_load", lambda name: None)
        assert kernels_in_use() == "none: not built"
        monkeypatch.setenv(VARIABLE, BASELINE)
        with pytest.raises(ConfigurationError, match="not built; run make setup where there is a C compiler"):
            kernels()
        monkeypatch.setenv(VARIABLE, OFF)
        assert kernels_in_use() == "none: MLPF_HPO_KERNELS=off"


class TestBuild:
    def test_is_done_once_and_again_when_sources_change(self, tmp_path, monkeypatch) -> None:
        libraries = build(tmp_path)
        assert [path.exists() for path in libraries] == [True] * len(SETS)
        (tmp_path / "baseline-0123456789ab.so").write_bytes(b"of other sources")
        times = [path.stat().st_mtime_ns for path in libraries]
        monkeypatch.setenv("CC", "no-such-compiler")  # is not even looked for
        assert build(tmp_path) == libraries
        assert [path.stat().st_mtime_ns for path in libraries] == times
        assert sorted(tmp_path.iterdir()) == sorted(libraries)

    @pytest.mark.parametrize(
        ("compiler", "says"),
        [("no-such-compiler", "no such command"), ("false", "false -std=c11.* ended with 1")],
    )
    def test_without_a_compiler_nothing_is_left(self, tmp_path, monkeypatch, compiler, says) -> None:
        monkeypatch.setenv("CC", compiler)
        with pytest.raises(BuildError, match=says):
            build(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_make_goes_on_without(self, tmp_path) -> None:
        for name in (*SOURCES, "build.py"):
            shutil.copy(NATIVE / name, tmp_path)
        done = subprocess.run(
            [sys.executable, tmp_path / "build.py"],
            env={"PATH": os.environ["PATH"], "CC": "no-such-compiler"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.startswith(
            "Training steps are left to PyTorch, which takes up to twice as long on a CPU"
        )
        assert "CC=no-such-compiler: no such command. Install a C compiler" in done.stderr


SANITISED = """
import sys
from pathlib import Path
import torch
from tests.mlpf import conftest, test_native, test_reference
from mlpf_hpo.mlpf.native import choice, kernels

choice.kernels = lambda: kernels.load(Path(sys.argv[1]))
kernels.FASTER_HERE = {(kernels._vendor(), kernels.kernels_name())}
make_batch, make_network = (getattr(conftest, name).__wrapped__() for name in ("make_batch", "make_network"))
for corner in test_reference.CORNERS:
    n_id, n_reg, size, width, sizes, no_target, columns = corner.values
    for dropout, whole_vectors in ((0.0, False), (0.5, False), (0.5, True)):
        network = make_network(
            n_id, n_reg, size, width, dropout, columns, dtype=torch.float32, whole_vectors=whole_vectors
        )
        x, ptr, y = make_batch(sizes, no_target=no_target, dtype=torch.float32)
        test_native.step(network, x, ptr, y)
        with torch.inference_mode():
            network.eval()(x, ptr)
print("done")
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_sanitisers_find_nothing(tmp_path) -> None:
    """Every corner under AddressSanitizer and UndefinedBehaviorSanitizer: no access beyond a tensor."""
    library = tmp_path / "sanitised.so"
    sources = [str(NATIVE / name) for name in SOURCES if name.endswith(".c")]
    flags = ["-std=c11", "-O1", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-fopenmp-simd"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, *sources, "-o", str(library), "-lm"], check=True)
    # The sanitiser and what it stands in for must be there before Python is.
    before = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    environment = {**os.environ, "LD_PRELOAD": " ".join(before), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", SANITISED, str(library)],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[:2000]
