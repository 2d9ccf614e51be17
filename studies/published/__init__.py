"""The paper's tables on its published curves, beside those of a corrected protocol."""
