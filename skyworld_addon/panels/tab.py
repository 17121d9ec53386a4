"""What all panels of the tab have in common."""


class Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SkyWorld"
