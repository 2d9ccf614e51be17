"""Collision events: generation, detector, storage, batches."""
