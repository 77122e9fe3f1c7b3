# SPDX-License-Identifier: Apache-2.0
"""Bags: read, write, convert nuScenes, process without ROS."""
