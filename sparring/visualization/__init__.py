"""Images, films and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.visualization.images import grid, render_figure, save_grid, save_image, scatter
    from sparring.visualization.plots import plot_losses
    from sparring.visualization.video import frames, save_animation

__all__ = [
    "frames",
    "grid",
    "plot_losses",
    "render_figure",
    "save_animation",
    "save_grid",
    "save_image",
    "scatter",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "images": ["grid", "render_figure", "save_grid", "save_image", "scatter"],
        "plots": ["plot_losses"],
        "video": ["frames", "save_animation"],
    },
)
