"""Compile the C kernels, once for each instruction set, where a C compiler is found.

    python mlpf_hpo/mlpf/native/build.py [STAMP]

`make setup` and the installation call it; it needs nothing but Python. What is built already from the same
sources stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES: tuple[str, ...] = ("arithmetic.h", "products.h", "graph_layer.h", "heads.h")
SOURCES += ("products.c", "graph_layer.c", "layer_pass.c", "heads.c", "heads_pass.c")

# Nobody reads errno or exception flags; without them more loops are vectorised, to the same numbers.
FLAGS: tuple[str, ...] = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fopenmp-simd")
FLAGS += ("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")

X86 = {
    "avx512": ("avx512f", "avx512dq", "avx512bw", "avx512vl", "fma"),
    "avx2": ("avx2", "fma"),
}
"""What a processor must have for an instruction set, as Linux and compilers call it."""

BASELINE = "baseline"
"""What every processor of the architecture has."""

COMPILERS = ("cc", "gcc", "clang")


class BuildError(Exception):
    """There is no compiler, or it refuses."""


def instruction_sets() -> dict[str, tuple[str, ...]]:
    """Return what each instruction set of this architecture takes of a processor, the widest set first."""
    return {**(X86 if platform.machine() == "x86_64" else {}), BASELINE: ()}


def flags_of(instruction_set: str) -> list[str]:
    """Return the compiler's flags for an instruction set."""
    wide = ["-mprefer-vector-width=512"] if instruction_set == "avx512" else []
    return [*FLAGS, *(f"-m{feature}" for feature in instruction_sets()[instruction_set]), *wide]


def library_name(instruction_set: str) -> str:
    """Return a library's file name, with a digest of sources and flags: an old one is never taken for new."""
    digest = hashlib.sha256(repr(flags_of(instruction_set)).encode())
    for source in SOURCES:
        digest.update(Path(__file__).with_name(source).read_bytes())
    return f"{instruction_set}-{digest.hexdigest()[:12]}.so"


def compiler() -> list[str]:
    """Return the command of the C compiler: that of the variable CC, or the first that is found.

    Raises
    ------
    BuildError
        If there is none.
    """
    named = os.environ.get("CC", "").strip()
    for command in [shlex.split(named)] if named else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    raise BuildError(
        f"CC={named}: no such command" if named else f"no C compiler ({', '.join(COMPILERS)}) on the PATH"
    )


def possible() -> bool:
    """Tell whether there is a compiler."""
    try:
        return bool(compiler())
    except BuildError:
        return False


def without_kernels(error: BuildError) -> str:
    """Return what it means that there are no kernels, and what to do."""
    return (
        f"Training steps are left to PyTorch, which takes up to twice as long on a CPU: {error}. "
        "Install a C compiler (Debian: apt-get install gcc libc6-dev) and run this again.\n"
    )


def build(folder: Path) -> list[Path]:
    """Compile what is not in a folder yet; return the libraries there. Those of other sources are removed.

    Raises
    ------
    BuildError
        If there is no compiler, or it refuses; what was there stays.
    """
    wanted = {folder / library_name(name): flags_of(name) for name in instruction_sets()}
    missing = {library: flags for library, flags in wanted.items() if not library.exists()}
    if missing:
        command = compiler()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as place:
            for library, flags in missing.items():
                _compile([*command, *flags], Path(place) / library.name)
            for library in missing:
                (Path(place) / library.name).replace(library)
    for other in set(folder.glob("*.so")) - set(wanted):
        other.unlink()
    return list(wanted)


def _compile(command: list[str], library: Path) -> None:
    sources = [str(Path(__file__).with_name(name)) for name in SOURCES if name.endswith(".c")]
    done = subprocess.run(
        [*command, *sources, "-o", str(library), "-lm"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")


def main(stamp: Path | None = None) -> int:
    """Build into the package's own folder, and say what came of it: trainings can do without.

    The file `stamp` is made if there are kernels, so that it is tried again once there is a compiler.
    """
    try:
        libraries = build(Path(__file__).with_name("built"))
    except BuildError as error:
        sys.stderr.write(without_kernels(error))
        return 0
    if stamp is not None:
        stamp.touch()
    sets = ", ".join(library.name.partition("-")[0] for library in libraries)
    sys.stdout.write(f"Training kernels: built for {sets}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
