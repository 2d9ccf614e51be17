"""`python -m mlpf_hpo.cli` does what `mlpf-hpo` does."""

from mlpf_hpo.cli import main

if __name__ == "__main__":
    main()
