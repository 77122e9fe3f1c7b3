"""The networks: plain PyTorch modules, and nothing else."""
