"""The scope of the champion that a search needs, from params.yaml."""

from __future__ import annotations

from mlpf_hpo.config import Params
from mlpf_hpo.registry.champion_scope import ChampionScope


def search_scope(params: Params) -> ChampionScope:
    """Return the scope of the champion that the search of `params` needs.

    Examples
    --------
    >>> search_scope(Params()).n_epochs
    16
    """
    return ChampionScope.of_search(
        params.target.with_mode(), params.search.max_epochs, params.space.search_space()
    )
