"""A light mesh of a world of splats, for shadow, reflection and collision."""
