"""Models by role: what a model must do (roles), built-ins that need no download, checkpoints."""
