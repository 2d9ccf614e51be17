"""Tables of full curves as a predictor sees them early, and their ends."""

from __future__ import annotations

import numpy as np
import pandas as pd


def final(frame: pd.DataFrame) -> np.ndarray:
    """Return the last value of each curve."""
    return frame[_losses(frame)[-1]].to_numpy()


def seen(frame: pd.DataFrame, known: int | np.ndarray) -> pd.DataFrame:
    """Return the curves up to a number of observed epochs, the same for all or one for each row."""
    losses, out = _losses(frame), frame.copy()
    hidden = np.arange(len(losses)) >= np.broadcast_to(known, len(frame))[:, None]
    out[losses] = np.where(hidden, np.nan, out[losses].to_numpy())
    return out


def _losses(frame: pd.DataFrame) -> list[str]:
    return [f"loss_{epoch}" for epoch in range(sum(name.startswith("loss_") for name in frame))]
