# SPDX-License-Identifier: Apache-2.0
"""Scores of predicted occupancy against the truth."""
