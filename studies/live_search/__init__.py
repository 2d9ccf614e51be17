"""Searches under every scheduler on several streams of configurations: epochs and best losses, in pairs."""
