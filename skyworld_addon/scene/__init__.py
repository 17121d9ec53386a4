"""Blender's data: splats, cameras and curves."""
