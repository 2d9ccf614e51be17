"""The HEP-Workloads benchmark: training throughput of N copies."""
