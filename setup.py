"""What pyproject.toml cannot say: kernels are compiled where there is a C compiler, and a wheel has them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

NATIVE = Path("mlpf_hpo/mlpf/native")
BUILDER = runpy.run_path(
    str(NATIVE / "build.py")
)  # of the package no more can be imported before it is there


class BuildWithKernels(build_py):
    """Compiles the kernels into the package: the one that is built, or the checkout if that is installed."""

    def run(self) -> None:
        """Build; without a compiler say what that means."""
        super().run()
        try:
            BUILDER["build"]((Path() if self.editable_mode else Path(self.build_lib)) / NATIVE / "built")
        except BUILDER["BuildError"] as error:
            sys.stderr.write(BUILDER["without_kernels"](error))


class PlatformDistribution(Distribution):
    """For this processor's architecture, if the kernels can be compiled."""

    def has_ext_modules(self) -> bool:
        """Tell whether there is anything for one platform only."""
        return bool(BUILDER["possible"]())


class AnyPythonWheel(bdist_wheel):
    """A wheel whose compiled part knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, ABI and platform."""
        return ("py3", "none", super().get_tag()[2])


setup(cmdclass={"build_py": BuildWithKernels, "bdist_wheel": AnyPythonWheel}, distclass=PlatformDistribution)
