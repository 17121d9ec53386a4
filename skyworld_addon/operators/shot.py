"""The finished shot: frames as PNG by Blender's own render animation, then a film of them."""

from pathlib import Path

import bpy
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, StringProperty

from ..errors import UserError, reports_errors
from ..scene import layers, world
from ..scene.world import ENGINE
from ..translations import said
from .generate import default_output

FILM_SCENE = "SkyWorld Film"
WATCH_SECONDS = 0.5


class RenderShot(bpy.types.Operator):
    """Render the animation as PNG frames and a film into the world's folder of shots"""

    bl_idname = "skyworld.render_shot"
    bl_label = "Render Shot"
    bl_options = {"REGISTER"}
    in_window = False  # called by hand, it lets Blender go on and shows the frames as they come

    shot_name: StringProperty(name="Name", description="Name of the shot's folder. Empty: the camera's name")
    directory: StringProperty(
        name="Folder", description="Where the shot's folder goes. Empty: shots/ of the world", subtype="DIR_PATH"
    )
    use_engine: BoolProperty(
        name="SkyWorld Engine",
        description="Render with SkyWorld; off, or with compositing set up: with the scene's",
        default=True,
    )
    film: BoolProperty(name="Film", description="Also write an MP4 beside the frames", default=True)

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera: add a fly-through or an orbit")
            return False
        if bpy.app.is_job_running("RENDER"):
            cls.poll_message_set("A render is running")
            return False
        return True

    def invoke(self, context, _event):
        self.in_window = not bpy.app.background
        return self.execute(context)

    @reports_errors
    def execute(self, context):
        scene = context.scene
        use_engine = self.use_engine and not layers.has_layers(scene)
        shot = Shot(scene, self._folder(context), self.film, use_engine)
        if not self.in_window:
            with shot:
                bpy.ops.render.render(animation=True, scene=scene.name)
            if self.film:
                shot.write_film()
            self.report({"INFO"}, said("Shot written to {folder}", folder=shot.folder))
            return {"FINISHED"}
        shot.start_in_window()
        return {"FINISHED"}

    def _folder(self, context):
        collection = world.of(context)
        name = bpy.path.clean_name(self.shot_name or context.scene.camera.name)
        if self.directory:
            return Path(bpy.path.abspath(self.directory)) / name
        if collection:
            return Path(bpy.path.abspath(collection.skyworld.folder)) / "shots" / name
        return default_output("shots") / name


class Shot:
    """Output settings of a scene during a shot (`with`), and what follows the last frame."""

    running = None  # the shot that Blender renders in its window

    def __init__(self, scene, folder, film, use_engine):
        if film and not bpy.app.build_options.codec_ffmpeg:
            hint = "Switch Film off and make one of the frames"
            raise UserError("This Blender was built without FFmpeg and cannot write a film", hint=hint)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            hint = "Choose another folder"
            raise UserError("cannot be made ({reason})", file=folder, hint=hint, reason=error.strerror) from error
        self.scene, self.folder, self.film, self.use_engine = scene, folder, film, use_engine
        self.film_scene, self.cancelled, self._before = None, False, []

    def __enter__(self):
        render = self.scene.render
        image = render.image_settings
        wanted = [(render, "filepath", str(self.folder / "####")), (render, "use_file_extension", True)]
        if self.use_engine:
            wanted.append((render, "engine", ENGINE))
        if hasattr(image, "media_type"):  # Blender 5: it decides which formats there are
            wanted.append((image, "media_type", "IMAGE"))
        wanted.append((image, "file_format", "PNG"))
        alpha = "RGBA" if render.film_transparent else "RGB"
        wanted += [(image, "color_mode", alpha), (image, "color_depth", "8")]
        self._before = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
        for owner, name, value in wanted:
            setattr(owner, name, value)
        return self

    def __exit__(self, *_):
        # the media type first, as it was set first: the formats depend on it
        for owner, name, value in self._before:
            setattr(owner, name, value)

    # ------------------------------------------------------------------ in the window

    def start_in_window(self):
        Shot.running, self.cancelled = self, False
        self.__enter__()
        bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=self.scene.name)
        bpy.app.timers.register(self._after_frames, first_interval=WATCH_SECONDS, persistent=True)

    def _after_frames(self):
        """Render handlers run inside Blender's render thread, so the scene is only touched from here."""
        if bpy.app.is_job_running("RENDER"):
            return WATCH_SECONDS
        self.__exit__()
        if self.cancelled or not self.film:
            Shot.running = None
            return None
        self.film_scene = self._new_film_scene()
        bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=self.film_scene.name)
        bpy.app.timers.register(self._after_film, first_interval=WATCH_SECONDS, persistent=True)
        return None

    def _after_film(self):
        if bpy.app.is_job_running("RENDER"):
            return WATCH_SECONDS
        Shot.running = None
        bpy.data.scenes.remove(self.film_scene)
        return None

    # ------------------------------------------------------------------ film

    def write_film(self):
        scene = self._new_film_scene()
        try:
            bpy.ops.render.render(animation=True, scene=scene.name)
        finally:
            bpy.data.scenes.remove(scene)

    def _new_film_scene(self):
        """A scene whose sequencer holds the frames and which writes <shot>.mp4 beside their folder."""
        source = self.scene
        frames = [
            self.folder / f"{n:04d}.png" for n in range(source.frame_start, source.frame_end + 1, source.frame_step)
        ]
        frames = [frame for frame in frames if frame.is_file()]
        if not frames:
            raise UserError("holds no frames", file=self.folder, hint="Render the shot again")
        scene = bpy.data.scenes.new(FILM_SCENE)
        scene.frame_start, scene.frame_end = 1, len(frames)
        strips = scene.sequence_editor_create().strips
        strip = strips.new_image("Frames", str(frames[0]), channel=1, frame_start=1)
        for frame in frames[1:]:
            strip.elements.append(frame.name)
        # H.264 with half the colour resolution wants even sides
        full = source.render.resolution_x * source.render.resolution_percentage // 100
        high = source.render.resolution_y * source.render.resolution_percentage // 100
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = full - full % 2, high - high % 2, 100
        render.fps, render.fps_base = source.render.fps, source.render.fps_base
        render.use_sequencer, render.use_compositing, render.use_file_extension = True, False, False
        scene.view_settings.view_transform = "Standard"
        image, ffmpeg = render.image_settings, render.ffmpeg
        if hasattr(image, "media_type"):
            image.media_type = "VIDEO"
        image.file_format = "FFMPEG"
        ffmpeg.format, ffmpeg.codec, ffmpeg.audio_codec = "MPEG4", "H264", "NONE"
        ffmpeg.constant_rate_factor, ffmpeg.gopsize = "HIGH", 12
        render.filepath = str(self.film_path)
        return scene

    @property
    def film_path(self):
        return self.folder.with_name(f"{self.folder.name}.mp4")


@persistent
def on_cancel(*_):
    if Shot.running:
        Shot.running.cancelled = True


def register():
    bpy.utils.register_class(RenderShot)
    bpy.app.handlers.render_cancel.append(on_cancel)


def unregister():
    bpy.app.handlers.render_cancel.remove(on_cancel)
    bpy.utils.unregister_class(RenderShot)
