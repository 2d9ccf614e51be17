"""`mlpf-hpo export`: a trained network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import StateFolder, examples

EXAMPLES = examples(
    "mlpf-hpo export models/best_trial --onnx mlpf.onnx",
    "mlpf-hpo export mlpf@champion --program mlpf.pt2",
    also="Both take the elements of one event, [N, 12], of any number.",
)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_CHECKPOINT",
            help="Registered version like mlpf@champion or mlpf/3; or, as for `physics`, a run, a trial key, "
            "a checkpoint.",
        ),
    ],
    onnx: Annotated[Path | None, typer.Option(help="ONNX file to write; for onnxruntime and others.")] = None,
    program: Annotated[
        Path | None, typer.Option(help="File of torch.export to write; for torch.export.load.")
    ] = None,
    opset: Annotated[
        int | None, typer.Option(min=1, help="Version of ONNX's operators; by default the exporter's.")
    ] = None,
    state: StateFolder = None,
) -> None:
    """Write a trained network as ONNX or as a program of PyTorch, for use without this package.

    What is written is compared with the network on made-up events of 1 to 6,000 elements.
    """
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.networks.export import about, export_onnx, export_program
    from mlpf_hpo.networks.find_network import find_network

    if onnx is None and program is None:
        raise ConfigurationError("--onnx FILE or --program FILE: say what to write")
    trained, _ = find_network(model, state)
    said = about(trained)
    written = []
    if onnx is not None:
        written.append((onnx, export_onnx(trained.network, onnx, said, opset)))
    if program is not None:
        written.append((program, export_program(trained.network, program, said)))
    for path, agreement in written:
        console.out.print(
            f"{path}: trial {trained.trial_key} after {trained.epoch} epochs; {agreement.share:.2%} of "
            f"{agreement.n_elements} made-up elements as PyTorch has them; events of up to "
            f"{said['largest_event']} elements",
            markup=False,
        )
