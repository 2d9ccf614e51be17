"""Physics validation: particles, jets and missing momentum, compared with the rule-based particle flow."""
