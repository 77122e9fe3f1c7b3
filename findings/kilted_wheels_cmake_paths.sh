#!/usr/bin/env bash
# ros-geometry-msgs 5.5.1 and the other message wheels of ROS 2 Kilted on PyPI.
#
# The wheels carry the cmake files with which a package of one's own can be built, but the targets
# of the message packages name the headers of Python and numpy where the wheels were built,
# /opt/python/cp311-cp311/include/python3.11. On another machine CMake ends at generate time with
# "Imported target "geometry_msgs::geometry_msgs__rosidl_generator_py" includes non-existent path".
# tools/colcon.py names this machine's headers instead.
#
# Seen: one file for each message package, all with the same two paths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install --no-deps ros-geometry-msgs==5.5.1
grep -rho '"/opt/python/[^"]*"' "$folder/venv/share" --include=*.cmake | sort | uniq -c
