# SPDX-License-Identifier: Apache-2.0
"""Work shared out to processes, machines of a cluster, or jobs unaware of each other."""
