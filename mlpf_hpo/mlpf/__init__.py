"""MLPF: the network, its loss, its metrics, its LightningModule."""
