# SPDX-License-Identifier: Apache-2.0
"""The networks: plain PyTorch modules, and nothing else."""
