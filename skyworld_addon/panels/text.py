"""Text that fits the sidebar."""

import textwrap

import blf

from ..translations import said

FONT = 0
MARGIN = 64  # pixels at scale 1 that tabs, panel and box take from the region's width
ICON = 24


def wrapped(layout, context, text, *, icon="NONE", alert=False, share=1.0):
    """`text`, translated, as lines no wider than this share of the region; red if `alert`."""
    ui = context.preferences.system.ui_scale
    blf.size(FONT, 11 * ui)
    letter = max(1.0, blf.dimensions(FONT, "abcdefghijklmnopqrstuvwxyz ")[0] / 27)
    room = share * (context.region.width if context.region else 300) - (MARGIN + ICON * (icon != "NONE")) * ui
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    lines = textwrap.wrap(said(text), max(12, int(room / letter)), break_long_words=True)
    for index, line in enumerate(lines):
        column.label(text=line, translate=False, icon=icon if index == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def duration(seconds):
    """75 -> 1:15; 3700 -> 1:01:40."""
    minutes, seconds = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
