"""A procedural street and the sensors that drive through it."""
