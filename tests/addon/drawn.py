"""A layout that keeps what is drawn into it, in place of Blender's, which exists in a window only."""

from types import SimpleNamespace


class Drawn:
    """calls: (name, *arguments, {keywords}) in order; texts: what can be read; operators and menus: their ids.

    All sub-layouts are this one, and sub-panels are open.
    """

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*words, **more):
            self.calls.append((name, *words, more))
            if name == "panel":
                return self, self
            return SimpleNamespace() if name == "operator" else self

        return call

    @property
    def texts(self):
        return [call[-1]["text"] for call in self.calls if call[-1].get("text")]

    def named(self, kind):
        return [call[1] for call in self.calls if call[0] == kind]

    @property
    def operators(self):
        return self.named("operator")

    @property
    def menus(self):
        return self.named("menu")


def drawn(draw, context, **owner):
    """What a panel's or menu's `draw` function draws."""
    layout = Drawn()
    draw(SimpleNamespace(layout=layout, **owner), context)
    return layout
