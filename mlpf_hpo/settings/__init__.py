"""Settings read from YAML: strict parsing, validation, ranges of values."""
