"""What MLPF learns in a longer training, judged beside the rules and its own input."""
