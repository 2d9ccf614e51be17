"""The optimiser of all trainings: AdamW, with little work between its kernels."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

import torch
from torch import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


class AdamW(torch.optim.AdamW):
    """PyTorch's AdamW with amsgrad, fused: the same numbers, and the same state in checkpoints.

    A network has dozens of parameters, most of them small. On a CPU PyTorch takes more time to put lists of
    them and of their state together, and to count the step of each, than to compute. Here the steps are the
    elements of one tensor, and lists are what the state holds in its order. On other devices, for parameters
    without a gradient, and wherever else this does not apply, the step is PyTorch's.

    Parameters
    ----------
    parameters : iterable of tensor
        What is trained.
    lr, weight_decay : float
        Learning rate, and how much of it times each parameter is taken off.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", arXiv 1711.05101; S. J. Reddi, S. Kale,
    S. Kumar, "On the convergence of Adam and beyond", arXiv 1904.09237.

    Examples
    --------
    >>> import torch
    >>> from mlpf_hpo.mlpf.optimiser import AdamW
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimiser = AdamW([weight], lr=0.1, weight_decay=0.0)
    >>> weight.square().sum().backward()
    >>> optimiser.step()
    >>> [round(each, 4) for each in weight.tolist()]
    [0.9, 0.9]
    """

    def __init__(self, parameters: Any, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, amsgrad=True, fused=True)
        self._all_steps = torch.empty(0)
        self._steps: list[Tensor] = []

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state that was loaded, or copied: its steps are tensors of their own."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._all_steps, self._steps = torch.empty(0), []

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by one step; return what `closure` returns, which is called before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = self._gradients()
        if gradients is None:
            super().step()
            return loss
        (group,) = self.param_groups
        states = self.state.values()
        first, second, largest = ([state[name] for state in states] for name in MOMENTS)
        with torch.no_grad():
            self._all_steps += 1
            torch._fused_adamw_(
                group["params"], gradients, first, second, largest, self._steps,
                lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], eps=group["eps"],
                weight_decay=group["weight_decay"], amsgrad=group["amsgrad"], maximize=group["maximize"],
            )  # fmt: skip
        return loss

    def _gradients(self) -> list[Tensor] | None:
        """Return the gradients of all parameters, or None where the step is left to PyTorch."""
        if len(self.param_groups) != 1 or getattr(self, "grad_scale", None) is not None:
            return None
        parameters, states = self.param_groups[0]["params"], self.state
        if not parameters or len(states) != len(parameters) or not all(map(is_, states, parameters)):
            return None  # before the first step there is no state
        gradients = [one.grad for one in parameters]
        if not all(one is not None and one.is_cpu for one in gradients):
            return None
        steps = [state["step"] for state in states.values()]
        if len(steps) != len(self._steps) or not all(map(is_, steps, self._steps)):
            # Of the first step, or of a state that was loaded.
            self._all_steps = torch.stack(steps)
            self._steps = list(self._all_steps.unbind())
            for state, one in zip(states.values(), self._steps, strict=True):
                state["step"] = one
        return gradients
