"""The add-on's part of the viewport's Add menu, through which F3 finds it too."""

import bpy


class AddMenu(bpy.types.Menu):
    bl_idname = "SKYWORLD_MT_add"
    bl_label = "SkyWorld"

    def draw(self, _context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("skyworld.generate_world", icon="WORLD")
        layout.operator("skyworld.fit_pictures", icon="OUTLINER_OB_POINTCLOUD")
        layout.operator("skyworld.import_world", icon="IMPORT")
        layout.separator()
        layout.operator("skyworld.add_flythrough", text="Fly-through", icon="CURVE_PATH")
        layout.operator("skyworld.add_orbit", text="Orbit", icon="MESH_CIRCLE")
        layout.operator("skyworld.add_move", text="Dolly or Crane", icon="EMPTY_SINGLE_ARROW")
        layout.operator("skyworld.add_walk", text="Walk along Curve", icon="MOD_CURVE")
        layout.operator("skyworld.add_view", icon="ADD")
        layout.operator("skyworld.fly_through_views", icon="ANIM")


def add_menu(self, _context):
    self.layout.separator()
    self.layout.menu(AddMenu.bl_idname, icon="OUTLINER_OB_POINTCLOUD")


def register():
    bpy.utils.register_class(AddMenu)
    bpy.types.VIEW3D_MT_add.append(add_menu)


def unregister():
    bpy.types.VIEW3D_MT_add.remove(add_menu)
    bpy.utils.unregister_class(AddMenu)
