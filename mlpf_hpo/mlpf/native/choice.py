"""Whether a network is trained by the kernels, and what of it they take."""

from __future__ import annotations

from ctypes import CDLL
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.native.kernels import kernels
from mlpf_hpo.mlpf.native.layout import Layout, layout_of

if TYPE_CHECKING:
    from mlpf_hpo.mlpf.network import MLPF


@dataclass(frozen=True)
class Native:
    """The kernels, and what of a network they take.

    Attributes
    ----------
    kernels : CDLL
        See `kernels`.
    layout : Layout
        Which parameters there are.
    parameters : list of tensor
        All of the network, in its order.
    hyperplanes : list of tensor
        Those of the graph layers.
    dropouts : list of float
        Probabilities of the graph layers, and of the heads.
    """

    kernels: CDLL
    layout: Layout
    parameters: list[Tensor]
    hyperplanes: list[Tensor]
    dropouts: list[float]

    @staticmethod
    def of(network: MLPF, x: Tensor) -> Native | None:
        """Return the kernels if they can train a network on elements `x`, else None; nothing else decides.

        They are for the CPU and float32, without autocast, and give no gradient of elements. Whoever hooks
        into a module wants it called.

        Raises
        ------
        ConfigurationError
            If the variable MLPF_HPO_KERNELS asks for kernels that there are not.
        """
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return None
        if x.requires_grad and torch.is_grad_enabled():
            return None
        parts = _Parts([], [], [])
        if not parts.add(network) or not all(map(_plain, (x, *parts.parameters, *parts.hyperplanes))):
            return None
        n_layers = len(network.id_layers), len(network.reg_layers)
        hidden = tuple(
            len(head._modules) // 3 for head in network.heads._modules.values() if head is not None
        )
        layout = layout_of(tuple(one.shape for one in parts.parameters), n_layers, hidden)
        of_layers, of_heads = parts.dropouts[: sum(n_layers)], set(parts.dropouts[sum(n_layers) :])
        if layout is None or len(of_heads) != 1 or not layout.has(parts.hyperplanes):
            return None
        found = kernels()
        if found is None:
            return None
        return Native(found, layout, parts.parameters, parts.hyperplanes, [*of_layers, *of_heads])


@dataclass(frozen=True)
class _Parts:
    """What a module and all in it have, in order: `parameters()` and so on, in less time."""

    parameters: list[Tensor]
    hyperplanes: list[Tensor]
    dropouts: list[float]

    def add(self, module: nn.Module) -> bool:
        """Add those of a module; return whether none has a hook."""
        content = module.__dict__
        if content["_forward_hooks"] or content["_forward_pre_hooks"]:
            return False
        if type(module) is Dropout:
            self.dropouts.append(content["p"])
            return True
        self.parameters.extend(one for one in content["_parameters"].values() if one is not None)
        self.hyperplanes.extend(content["_buffers"].values())
        return all(map(self.add, content["_modules"].values()))


def _plain(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.is_contiguous() and tensor.is_cpu
