# SPDX-License-Identifier: Apache-2.0
"""Learning: batches, augmentation, losses, distillation, the loop."""
