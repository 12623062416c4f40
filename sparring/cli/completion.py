"""Shell completion: scripts that tyro writes from the flags of all commands."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Union

import tyro

from sparring._types import Settings
from sparring.cli.console import say, say_lines
from sparring.cli.options import STYLE, TYPES, form_of, with_recipe
from sparring.cli.registry import COMMANDS, OWN_FLAGS
from sparring.errors import RunError

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: tyro.conf.Positional[Shell | None] = None, install: bool = False) -> None:
    """Print the completion script of a shell, or install it.

    Args:
        shell: bash, zsh or fish. Default: the shell that $SHELL names.
        install: Write the script into the folder that the shell reads, and print nothing else than the place.
    """
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in ("bash", "zsh", "fish"):
        raise RunError(f"There is no completion for the shell {chosen!r}: give bash, zsh or fish.")
    if not install:
        say_lines(script(chosen))
        return
    from sparring._io.folder import open_atomic

    path = place(chosen)
    with open_atomic(path) as file:
        file.write(script(chosen).encode())
    say(f"The completion of {chosen} is in {path}; it works in new shells.")
    if chosen == "zsh":
        say(f"It needs these lines in ~/.zshrc: fpath=({path.parent} $fpath); autoload -Uz compinit; compinit")


def place(shell: str) -> Path:
    """Return the file from which a shell reads the completion of this program.

    Args:
        shell: bash, zsh or fish.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion/completions/sparring",
        "fish": settings / "fish/completions/sparring.fish",
        "zsh": Path.home() / ".zfunc/_sparring",
    }[shell]


def script(shell: str) -> str:
    """Return the completion script of a shell, for all commands and the flags of all recipes.

    Args:
        shell: bash, zsh or fish.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "script"
        words = ["--tyro-write-completion", shell, str(path)]
        markers = (*STYLE, tyro.conf.OmitSubcommandPrefixes)
        try:
            tyro.cli(_choice(_forms()), args=words, prog="sparring", config=markers, registry=TYPES)
        except SystemExit:
            return path.read_text(encoding="utf-8")
    raise AssertionError  # tyro always exits after writing


def _forms() -> Settings:
    """Return the forms of all commands by name; commands of two words are dictionaries."""
    from sparring.cli.compare import Comparison
    from sparring.cli.recipes import Check
    from sparring.cli.train import Training
    from sparring.recipes import RECIPES, recipe

    forms: Settings = {}
    for name, (home, _) in COMMANDS.items():
        first, _, second = name.partition(" ")
        module, _, function = home.partition(":")
        if second:
            forms[first] = forms[first] if isinstance(forms.get(first), dict) else {}
            forms[first][second] = form_of(getattr(import_module(f"sparring.cli.{module}"), function))
        elif name == "train":
            forms[name] = {each: with_recipe(Training, recipe(each), each) for each in RECIPES}
        elif name in OWN_FLAGS:
            forms[name] = {"compare": Comparison, "check": Check}.get(name, Training)
        else:
            forms[name] = form_of(getattr(import_module(f"sparring.cli.{module}"), function))
    return forms


def _choice(forms: Settings) -> Any:
    """Return the type of a choice between forms, one of which may be a choice again."""
    kinds = [Annotated[_nested(form), tyro.conf.subcommand(name=name)] for name, form in forms.items()]
    return Union[(*kinds, Annotated[None, tyro.conf.Suppress])]  # a union of one would be no choice


def _nested(form: Any) -> Any:
    if not isinstance(form, dict):
        return form

    def choose(command: Any) -> None:
        """Choose a command."""

    choose.__annotations__ = {"command": _choice(form), "return": None}
    return choose
