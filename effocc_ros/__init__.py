# SPDX-License-Identifier: Apache-2.0
"""Camera-LiDAR semantic occupancy (EFFOcc) for ROS 2."""

import sysconfig

__version__ = "0.1.0"

# colcon puts the generated effocc_ros.msg into this package. A virtual environment without ROS 2
# has it in a folder of its own (tools/build_messages.py), so that no checkout carries binaries.
__path__.append(f"{sysconfig.get_path('platlib')}/ros_effocc_ros_messages.libs/overlay/effocc_ros")
