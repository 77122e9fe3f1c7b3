# SPDX-License-Identifier: Apache-2.0
"""Pictures of Frames and of what networks made of them."""

from effocc_ros.visualization.pictures import draw_overview, write_overview, write_png

__all__ = ["draw_overview", "write_overview", "write_png"]
