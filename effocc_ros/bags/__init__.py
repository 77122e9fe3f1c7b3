"""Bags: read, write, convert nuScenes, process without ROS."""
