"""From a partly trained model to its final loss, with an interval."""
