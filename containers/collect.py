"""Copies from a Python environment what the image holds: python collect.py REQUIREMENTS FOLDER.

Run by that environment's own Python. What is copied is the packages of the file of requirements and what
these require in turn, in the versions that are installed, without what only their developers need.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = re.compile(
    r"^torch/((test|include)/|bin/(?!torch_shm_manager))"  # 200 MB: tests, what is built with
    r"|^(numpy|pandas|sympy)/(.*/)?tests/"
    r"|(^|/)__pycache__/"  # bytecode depends on more than the source
    r"|\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$"  # how it came here
)


def closure(requirements: Path) -> Iterator[Distribution]:
    """Yield the distributions that are named, and all that they require, each once."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    wanted = [Requirement(line) for line in lines if line]
    seen = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name}: not installed for {sys.executable}; `make setup` installs it")
        yield found
        parsed = map(Requirement, found.requires or ())
        wanted += [each for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]


def copy(found: Distribution, folder: Path) -> int:
    """Copy a distribution's files into a folder; return their bytes."""
    size = 0
    for file in found.files or ():
        path = PurePosixPath(file)
        if path.parts[0] == ".." or LEFT_OUT.search(path.as_posix()):
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        size += shutil.copyfile(found.locate_file(file), target).stat().st_size
    return size


def main(requirements: Path, folder: Path) -> None:
    """Copy, and tell what."""
    packages = {found.name: found for found in closure(requirements)}
    sizes = {name: copy(found, folder) for name, found in packages.items()}
    for name in sorted(sizes, key=str.lower):
        print(f"{name}=={packages[name].version}")  # noqa: T201 # read by the build
    largest = sorted(sizes, key=sizes.__getitem__)[-3:]
    told = ", ".join(f"{name} {sizes[name] / 1e6:.0f}" for name in reversed(largest))
    sys.stderr.write(f"{len(sizes)} packages, {sum(sizes.values()) / 1e6:.0f} MB, the largest: {told}\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
