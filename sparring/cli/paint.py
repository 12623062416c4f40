"""The command that generates images from label maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, RunFolder
from sparring.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from sparring.data.annotations.label_maps import LabelMapClasses
    from sparring.game import Game


def paint(
    run: RunFolder,
    labels: Path | None = None,
    style: tuple[Path, ...] = (),
    seeds: str = "",
    instances: Path | None = None,
    out: Path = Path("painted.png"),
    frames: int = 0,
    fps: float = 20.0,
    nearest: bool = False,
    palette: Path | None = None,
    tile: int = 512,
    model: Model = NEWEST,
) -> None:
    """Generate images from label maps, in the style of photographs or of seeds, or a film from style to style.

    Args:
        run: The run's folder.
        labels: A label map of any size, in the colours of the palette or in class numbers; or a folder of them.
        style: Photographs whose styles are used.
        seeds: Seeds of styles, such as 0-3. Default: 0 without --style.
        instances: Instance map of each label map, one number or colour per object, for runs that learned from such: a
            file, or a folder with the same names. Default: each connected region of a class is an object.
        out: Image file for one map, which shows the map beside its images if there are several styles; film for
            --frames; or folder of single images with the names of their maps.
        frames: Frames of a film from style to style. Default: no film.
        fps: Frames per second.
        nearest: Assign other colours to the nearest class, for maps that were saved as JPEG.
        palette: File for the classes and their colours, .txt or .gpl (for GIMP, Krita, Inkscape).
        tile: Largest side of a map that is processed at once; larger maps are processed in tiles.
        model: Which checkpoint is used, and on which device.

    Raises:
        DataError: If no label map is given, or the output does not fit.
    """
    from sparring.inference import label_maps
    from sparring.runs import config
    from sparring.runs.outputs import require_outputs

    facts = config.facts(run)
    regions = label_maps.require_palette(facts)
    if labels is None and palette is None:
        raise DataError("No label map is given: give --labels map.png, or --palette palette.txt to draw one.")
    read = [*style, *filter(None, (labels, instances))]
    if palette is not None:
        require_outputs(run, [palette], read, flag="--palette")
    if labels is None:
        _save_palette(regions, palette)
        return
    files = _files(labels, out)
    maps = _maps(files, regions, nearest)
    game = model.load(run)
    maps = maps if instances is None else _with_objects(game, maps, files, labels, instances)
    styles = label_maps.load_styles(game, style, seeds or ("" if style else "0"), shape=facts.shape)
    require_outputs(run, (targets := _targets(out, [*maps], [*styles], bool(frames))).values(), read)
    _save_palette(regions, palette)
    for (name, one), path in targets.items():
        _picture(path, game, maps[name], {one: styles[one]} if one else styles, regions, tile, frames, fps)
    say(f"{len(maps)} label map(s), in {len(styles)} style(s), are painted in {out}.")


def _save_palette(regions: LabelMapClasses, path: Path | None) -> None:
    """Write the classes with their colours, if a path is given."""
    from sparring.data.annotations import palettes

    if path is not None:
        say(f"The {len(regions)} classes and their colours are in {palettes.save_palette(regions, path)}.")


def _single(out: Path) -> bool:
    """Return whether an output is one file, not a folder."""
    return bool(out.suffix) and not out.is_dir()


def _files(place: Path, out: Path) -> dict[str, Path]:
    """Return label maps by their names below the given folder, without endings; names are unique."""
    from sparring._io.targets import unique_names
    from sparring.data.annotations import palettes

    files = palettes.label_map_files(place)
    if _single(out) and len(files) > 1:
        raise DataError(f"{place} holds {len(files)} label maps, and {out} is one file: name a folder in --out.")
    own = [palettes.relative_to(place, file) for file in files]
    names = unique_names([name.with_suffix(".png").as_posix() for name in own], [name.as_posix() for name in own])
    return {name.removesuffix(".png"): file for name, file in zip(names, files, strict=True)}


def _maps(files: dict[str, Path], regions: LabelMapClasses, nearest: bool) -> dict[str, Tensor]:
    """Read label maps."""
    from sparring.data.annotations import palettes

    return {name: palettes.read_label_map(file, regions, nearest=nearest) for name, file in files.items()}


def _targets(out: Path, maps: list[str], styles: list[str], film: bool) -> dict[tuple[str, str], Path]:
    """Return paths of all images by map and style; a film, or an image of all styles, has no style of its own.

    Raises:
        RunError: If the ending of the one file names no format.
    """
    from sparring._io.targets import unique_names
    from sparring.visualization import images, video

    if _single(out):
        video.require_video_format(out) if film else images.require_image_format(out)
        return {(maps[0], ""): out}
    if film:
        return {(name, ""): out / f"{name}.gif" for name in maps}
    pairs = [(name, style) for name in maps for style in styles]
    wanted = [f"{name}-{style}.png" if len(styles) > 1 else f"{name}.png" for name, style in pairs]
    return {pair: out / name for pair, name in zip(pairs, unique_names(wanted, [""] * len(wanted)), strict=True)}


def _with_objects(
    game: Game, maps: dict[str, Tensor], files: dict[str, Path], labels: Path, place: Path
) -> dict[str, Tensor]:
    """Return label maps with the borders of their objects, by name."""
    from sparring.data.annotations import palettes
    from sparring.inference import label_maps

    label_maps.require_edges(game)
    own = {name: palettes.relative_to(labels, file).with_suffix("").as_posix() for name, file in files.items()}
    found = palettes.matching_files(place, list(dict.fromkeys(own.values())))
    return {name: label_maps.add_edges(m, palettes.read_instances(found[own[name]])) for name, m in maps.items()}


def _picture(
    path: Path,
    game: Game,
    m: Tensor,
    styles: dict[str, Tensor],
    regions: LabelMapClasses,
    tile: int,
    frames: int,
    fps: float,
) -> None:
    """Save the image of a map in some styles; with frames, a film from style to style."""
    import torch

    from sparring.inference import label_maps
    from sparring.visualization import video

    if frames:
        way = label_maps.interpolate_styles(game, m, torch.stack(list(styles.values())), frames, tile=tile)
        video.save_animation(video.frames(way), path, fps=fps)
    else:
        _sheet(path, game, m, styles, regions, tile)


def _sheet(path: Path, game: Game, m: Tensor, styles: dict[str, Tensor], regions: LabelMapClasses, tile: int) -> None:
    """Save the image of one style; images of several styles beside their map."""
    import torch

    from sparring.data.annotations import palettes
    from sparring.inference import label_maps
    from sparring.visualization import images

    made = label_maps.paint(game, m, torch.stack(list(styles.values())), tile=tile)
    if len(styles) > 1:
        shown = made.expand(-1, 3, -1, -1) if made.shape[1] == 1 else made[:, :3]
        images.save_grid(
            torch.cat([palettes.colourize(m[None] if m.dim() == 2 else m[:1], regions), shown]),
            path,
            columns=len(styles) + 1,
        )
    else:
        images.save_grid(made, path, scale=1)
