"""SkyWorld's backend: pictures in, worlds of Gaussian splats out. Importing it loads nothing heavy."""

__version__ = "0.1.0"
