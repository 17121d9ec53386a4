"""Files of Gaussians."""
