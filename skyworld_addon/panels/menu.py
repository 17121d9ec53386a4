"""The add-on's part of Blender's menus, through which F3 finds every operator.

F3 searches menus, not panels. Add holds what makes something new, Object what changes what is there, Render the shot.
"""

import bpy

ICON = "OUTLINER_OB_POINTCLOUD"


class AddMenu(bpy.types.Menu):
    bl_idname = "SKYWORLD_MT_add"
    bl_label = "SkyWorld"

    def draw(self, _context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("skyworld.take_photograph", icon="IMAGE_DATA")
        layout.operator("skyworld.generate_world", icon="WORLD")
        layout.operator("skyworld.fit_pictures", icon="OUTLINER_OB_POINTCLOUD")
        layout.operator("skyworld.add_satellite_images")
        layout.operator("skyworld.choose_satellite_scene")
        layout.operator("skyworld.show_satellite_area")
        layout.operator("skyworld.generate_city", icon="WORLD")
        layout.operator("skyworld.refine_city")
        layout.operator("skyworld.add_city_mesh", text="City as Mesh", icon="MESH_DATA")
        layout.operator("skyworld.offer_seeds", icon="IMGDISPLAY")
        layout.operator("skyworld.import_world", icon="IMPORT")
        layout.separator()
        layout.operator("skyworld.add_flythrough", text="Fly-through", icon="CURVE_PATH")
        layout.operator("skyworld.add_orbit", text="Orbit", icon="MESH_CIRCLE")
        layout.operator("skyworld.add_move", text="Dolly or Crane", icon="EMPTY_SINGLE_ARROW")
        layout.operator("skyworld.add_walk", text="Walk along Curve", icon="MOD_CURVE")
        layout.operator("skyworld.add_view", icon="ADD")
        layout.operator("skyworld.fly_through_views", icon="ANIM")


class ObjectMenu(bpy.types.Menu):
    bl_idname = "SKYWORLD_MT_object"
    bl_label = "SkyWorld"

    def draw(self, _context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.menu(SplatsMenu.bl_idname)
        layout.operator("skyworld.mark_world_asset", icon="ASSET_MANAGER")
        layout.separator()
        layout.operator("skyworld.look_at_target", icon="CON_TRACKTO")
        layout.operator("skyworld.focal_zoom", icon="VIEW_PERSPECTIVE")
        layout.operator("skyworld.bank_path", icon="DRIVER_ROTATIONAL_DIFFERENCE")
        layout.operator("skyworld.keep_clear", icon="MOD_SHRINKWRAP")
        layout.operator("skyworld.preview_shot", icon="PLAY")
        layout.operator("skyworld.bake_camera", icon="KEYFRAME_HLT")
        layout.separator()
        layout.operator("skyworld.cancel_job", icon="CANCEL")
        layout.operator("skyworld.retry_job", icon="FILE_REFRESH")
        layout.menu(BackendMenu.bl_idname)


class SplatsMenu(bpy.types.Menu):
    bl_idname = "SKYWORLD_MT_splats"
    bl_label = "Splats"

    def draw(self, _context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("skyworld.select_all_splats", icon="RESTRICT_SELECT_OFF")
        layout.operator("skyworld.select_splats_box")
        layout.operator("skyworld.select_splats_lasso")
        layout.operator("skyworld.select_splats_brush")
        layout.operator("skyworld.select_splats_in_volume")
        layout.operator("skyworld.select_splats_by")
        layout.separator()
        layout.operator("skyworld.hide_splats", icon="HIDE_ON")
        layout.operator("skyworld.reveal_splats", icon="HIDE_OFF")
        layout.operator("skyworld.delete_splats", icon="TRASH")
        layout.operator("skyworld.separate_splats")
        layout.separator()
        layout.operator("skyworld.add_crop", icon="MESH_CUBE")
        layout.operator("skyworld.invert_crop")
        layout.operator("skyworld.apply_crop")
        layout.operator("skyworld.remove_crop")
        layout.separator()
        layout.operator("skyworld.apply_splat_transform", icon="CHECKMARK")
        layout.operator("skyworld.merge_splats")
        layout.operator("skyworld.points_to_splats")
        layout.operator("skyworld.splats_to_points")


class BackendMenu(bpy.types.Menu):
    bl_idname = "SKYWORLD_MT_backend"
    bl_label = "Backend"

    def draw(self, _context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("skyworld.start_backend", icon="PLAY")
        layout.operator("skyworld.stop_backend", icon="SNAP_FACE")
        layout.operator("skyworld.restart_backend", icon="FILE_REFRESH")
        layout.separator()
        layout.operator("skyworld.refresh_models")
        layout.operator("skyworld.download_models", icon="IMPORT")
        layout.separator()
        layout.operator("skyworld.install_backend")
        layout.operator("skyworld.cancel_install")


CLASSES = (AddMenu, BackendMenu, SplatsMenu, ObjectMenu)


def add_menu(self, _context):
    self.layout.separator()
    self.layout.menu(AddMenu.bl_idname, icon=ICON)


def object_menu(self, _context):
    self.layout.separator()
    self.layout.menu(ObjectMenu.bl_idname, icon=ICON)


def render_menu(self, _context):
    self.layout.separator()
    self.layout.operator("skyworld.render_shot", icon="RENDER_ANIMATION")
    self.layout.operator("skyworld.set_up_compositing", icon="NODE_COMPOSITING")
    self.layout.operator("skyworld.add_proxy", icon="MOD_REMESH")


ENTRIES = (("VIEW3D_MT_add", add_menu), ("VIEW3D_MT_object", object_menu), ("TOPBAR_MT_render", render_menu))


def register():
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    for name, entry in ENTRIES:
        getattr(bpy.types, name).append(entry)


def unregister():
    for name, entry in ENTRIES:
        getattr(bpy.types, name).remove(entry)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
