"""The tab SkyWorld in the 3D viewport's sidebar."""
