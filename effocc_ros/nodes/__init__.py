"""The ROS 2 nodes; the one place that imports rclpy and generated messages."""
