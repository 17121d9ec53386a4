"""What this add-on draws into the 3D viewport."""
