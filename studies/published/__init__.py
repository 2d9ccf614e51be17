"""The paper's tables on its published curves, with honest numbers beside."""
