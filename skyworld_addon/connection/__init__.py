"""The backend: its process, its HTTP interface, its installation. Nothing here touches Blender's data."""
