"""Benchmarks on disk: their own files in, Frames with labels and masks out."""
