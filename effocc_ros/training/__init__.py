"""Learning: losses, distillation, label selection, the loop and the experiment."""
