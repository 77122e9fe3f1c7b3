"""Learning: batches, augmentation, losses, distillation, the loop."""
