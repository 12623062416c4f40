"""Embeddings of captions by a larger model: read from a file, or computed by a local sentence-transformer.

    X.npz           ``captions`` (K,) strings and ``embeddings`` (K, F)
    X.npy           embeddings (K, F), the captions in ``X.txt``, one a line
    X.safetensors   ``embeddings`` (K, F), the captions as a JSON list in the metadata, under ``captions``

A file covers its own captions only. Captions are compared by their words, without case and punctuation. Neither file
nor folder can run code: nothing is unpickled, and a model's own code is not executed.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import Tensor

from sparring._io.paths import expand_user
from sparring.data.annotations.captions import token_ids
from sparring.errors import DataError

__all__ = ["SUFFIXES", "EmbeddedCaptions", "SentenceModel"]

SUFFIXES = (".npz", ".npy", ".safetensors")


class EmbeddedCaptions:
    """Embeddings of captions from a file, which is read at the first call.

    Args:
        path: The file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expand_user(path)
        self.known: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of captions.

        Args:
            texts: N captions.

        Returns:
            (N, F).

        Raises:
            DataError: If the file cannot be read, or lacks one of the captions.
        """
        if not self.known:
            captions, vectors = embeddings(self.path)
            self.known = {tuple(token_ids(text)): vector for text, vector in zip(captions, vectors, strict=True)}
        for text in texts:
            if tuple(token_ids(text)) not in self.known:
                raise DataError(
                    f"{self.path} has embeddings of {len(self.known)} captions, not of {text!r}: use one of those, add "
                    "this one, or train with --text hashed, which accepts any text."
                )
        return torch.stack([self.known[tuple(token_ids(text))] for text in texts])


class SentenceModel:
    """Embeddings by a sentence-transformer in a local folder, which is loaded at the first call.

    Args:
        path: The folder, as the package ``sentence-transformers`` saves a model, with safetensors weights.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expand_user(path)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of sentences.

        Args:
            texts: N sentences.

        Returns:
            (N, F).

        Raises:
            DataError: If the package is not installed, or the folder holds no model that it can load.
        """
        if not self.path.is_dir():
            raise DataError(f"{self.path} is not a folder: give a sentence-transformer, or a file of embeddings.")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise DataError(
                f"{self.path} needs the package sentence-transformers: install it with pip install 'sparring[text]'."
            ) from error
        try:
            _require_own_modules(self.path)
            model = SentenceTransformer(
                str(self.path),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
            return torch.from_numpy(np.asarray(model.encode(list(texts), show_progress_bar=False), np.float32))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise DataError(
                f"{self.path} cannot be loaded as a sentence-transformer ({reason}): save it anew."
            ) from error


def _require_own_modules(folder: Path) -> None:
    """Raise an error if a model names classes outside the package, which some versions import from its folder."""
    for module in json.loads((folder / "modules.json").read_bytes()):
        if not module["type"].startswith("sentence_transformers."):
            raise ValueError(f"its module {module['type']} is code of its own")


def embeddings(path: Path) -> tuple[list[str], Tensor]:
    """Read a file of embeddings.

    Args:
        path: One of the three kinds.

    Returns:
        K captions, and their vectors (K, F).

    Raises:
        DataError: If it cannot be read, or the numbers of captions and finite vectors differ.
    """
    kinds: dict[str, Callable[[Path], tuple[list[str], np.ndarray]]]
    kinds = {".npz": _pair, ".npy": _beside, ".safetensors": _described}
    try:
        captions, vectors = kinds[path.suffix.lower()](path)
        vectors = np.asarray(vectors, np.float32)
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename or path} does not exist: give a file of embeddings and their captions."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): save captions and embeddings (K, F) as .npz, see docs/how-to/data.md."
        ) from error
    if vectors.ndim != 2 or len(vectors) != len(captions) or not vectors.size or not np.isfinite(vectors).all():
        raise DataError(
            f"{path} holds {len(captions)} captions and vectors of shape {vectors.shape}: give finite (K, F) for K."
        )
    return captions, torch.from_numpy(vectors)


def _pair(path: Path) -> tuple[list[str], np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return [str(text) for text in arrays["captions"]], arrays["embeddings"]


def _beside(path: Path) -> tuple[list[str], np.ndarray]:
    return path.with_suffix(".txt").read_text("utf-8-sig").splitlines(), np.load(path, allow_pickle=False)


def _described(path: Path) -> tuple[list[str], np.ndarray]:
    with safetensors.safe_open(path, "pt") as file:
        return json.loads((file.metadata() or {})["captions"]), file.get_tensor("embeddings").float().numpy()
