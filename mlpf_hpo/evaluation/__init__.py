"""Judging reconstruction: particles, jets, missing momentum, beside the rule-based particle flow."""
