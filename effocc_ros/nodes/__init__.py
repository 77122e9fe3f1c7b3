# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes; the one place that imports rclpy and generated messages."""
