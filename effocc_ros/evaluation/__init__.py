"""Scores of predicted occupancy against the truth."""
