"""Readers of learning curves from other tools, one file per format."""
