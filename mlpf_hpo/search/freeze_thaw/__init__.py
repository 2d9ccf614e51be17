"""Beliefs of a search on final values, and the stopping index that they lead to: parts of `FreezeThaw`."""
