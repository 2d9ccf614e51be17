"""A package of somebody else's that adds one of each kind to mlpf_hpo by entry points, one file each."""
