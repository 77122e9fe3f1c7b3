# SPDX-License-Identifier: Apache-2.0
"""A procedural street and the sensors that drive through it."""
