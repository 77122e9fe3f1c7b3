# SPDX-License-Identifier: Apache-2.0
"""Benchmarks on disk: their own files in, Frames with labels and masks out."""
