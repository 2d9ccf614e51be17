"""The only folder that talks to MLflow."""
