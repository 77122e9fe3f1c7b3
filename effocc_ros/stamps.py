# SPDX-License-Identifier: Apache-2.0
"""Stamps are whole nanoseconds since the epoch, as ROS counts them."""

NANOSECONDS = 1_000_000_000
"""In one second."""
