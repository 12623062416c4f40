"""Endless, shuffled, resumable, sharded batches of a data set.

The rows of a set are read in an endless sequence, epoch after epoch in a new order; global batch t covers positions
[t·batch, (t+1)·batch). It is cut into world × parts equal shards, of which rank r reads shards r·parts, …,
r·parts + parts − 1 one after another. All of it is a function of (seed, position): seeking is exact and free, and any
number of processes and parts gets the same global batches.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor

from sparring.data.dataset import Dataset
from sparring.data.ordering import FLIP, ORDER, SECOND, WINDOW, caption_choices, coins, crop_corners, permute
from sparring.data.sources.in_memory import DataLike
from sparring.errors import DataError

MAX_BATCH_SIZE = 2**31 - 1  # rows of a batch
AHEAD = 16  # calls whose order is computed at once, which amortises numpy's overhead


class Stream:
    """Iterator of ``(images or points, second domain…, labels…, captions…)`` on a device.

    Images are ``float32`` (n, C, H, W) in [−1, 1], label maps ``int64`` (n, H, W). The caption of a row with several
    captions, and the crop of an image with a margin, are functions of (seed, position) as well.

    Args:
        dataset: The rows, or anything that `sparring.data.load` takes; there may be fewer than the batch size.
        batch_size: Number of rows of a global batch, over all ranks and parts.
        seed: Seed of order, mirroring, crops and choice of captions.
        rank: Index of this process, below ``world``.
        world: Number of processes.
        grad_accum: Number of ``next`` calls in which each process reads its share of a global batch.
        mirror: Flip images left to right with probability 1/2.
        device: Device of the tensors; images are copied to it as ``uint8``.

    Raises:
        DataError: If the batch cannot be divided equally, or points are mirrored.

    Example:
        >>> rows = Dataset("two", np.array([[0, 0], [1, 1]], np.float32))
        >>> (points,) = next(Stream(rows, batch_size=4))
        >>> points.sum(0)
        tensor([2., 2.])
    """

    def __init__(
        self,
        dataset: DataLike,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        grad_accum: int = 1,
        mirror: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        from sparring.data.loading import load  # which imports this module

        require_shares(batch_size, world, grad_accum)
        dataset = dataset if isinstance(dataset, Dataset) else load(dataset)
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is outside 0 … {world - 1}")
        if mirror and len(dataset.shape) != 3:
            raise DataError(f"{dataset.name} holds points, which have no mirror image: leave mirror off.")
        self.dataset, self.batch_size, self.seed, self.mirror = dataset, batch_size, seed, mirror
        self.rank, self.world, self.grad_accum = rank, world, grad_accum
        self.device = torch.device(device)
        self.position = 0
        self.block = -1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        positions, indices = self._next_rows()
        self.position += 1
        first, *labels = self.dataset.rows(indices, self._crop_corners(positions, self.dataset.crop_margin))
        said = self.dataset.caption_tokens(indices, caption_choices(positions, self.seed))
        images = (self._to_device(first, positions), *self._paired_rows(positions, indices))
        return *images, *(self._copied(rows) for rows in (*labels, *said))

    def _paired_rows(self, positions: np.ndarray, indices: np.ndarray) -> tuple[Tensor, ...]:
        """Return rows of the second domain, if any: the partners, or rows in an independent order.

        Args:
            positions: In the endless sequence, int64 (n,).
            indices: Rows of the first domain at these positions, int64 (n,).
        """
        second = self.dataset.paired_domain
        if second is None:
            return ()
        shift = 0 if second.paired else SECOND
        if not second.paired:
            indices = permute(positions, len(second.dataset), self.seed, ORDER + SECOND)
        rows = second.rows(indices, self._crop_corners(positions, second.dataset.crop_margin, shift))
        return (self._to_device(rows, positions, shift),)

    def _crop_corners(self, positions: np.ndarray, margin: int, shift: int = 0) -> np.ndarray | None:
        """Return the corners of the crops, if the rows have a margin.

        Args:
            positions: In the endless sequence, int64 (n,).
            margin: Of the rows.
            shift: Added to the purpose of the chances.
        """
        return crop_corners(positions, margin, self.seed, WINDOW + shift) if margin else None

    def _to_device(self, rows: Tensor, positions: np.ndarray, shift: int = 0) -> Tensor:
        """Copy rows to the device, mirror some of them, and scale images.

        Args:
            rows: Rows as stored.
            positions: In the endless sequence, int64 (n,).
            shift: Added to the purpose of the chances.
        """
        rows = self._copied(rows)
        if self.mirror:
            flips = self._copied(torch.from_numpy(coins(positions, self.seed, FLIP + shift)))
            rows = torch.where(flips.view(-1, *[1] * (rows.dim() - 1)), rows.flip(-1), rows)
        return scale_images(rows) if rows.dtype == torch.uint8 else rows

    def _next_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and indices of the next call, int64 (rows,) each, computed for several calls at once."""
        block, call = divmod(self.position, AHEAD)
        if block != self.block:
            self.block, self.block_positions = block, self.positions(block * AHEAD + np.arange(AHEAD))
            flat = permute(self.block_positions.ravel(), len(self.dataset), self.seed)
            self.block_indices = flat.reshape(AHEAD, -1)
            self.dataset.prefetch(flat)
        return self.block_positions[call], self.block_indices[call]

    def positions(self, calls: np.ndarray) -> np.ndarray:
        """Return the positions in the endless sequence that each call reads.

        Args:
            calls: Numbers of ``next`` calls, int64 (m,).

        Returns:
            int64 (m, rows).
        """
        step, part = np.divmod(calls, self.grad_accum)
        rows = self.batch_size // (self.world * self.grad_accum)
        start = step * self.batch_size + (self.rank * self.grad_accum + part) * rows
        positions: np.ndarray = start[:, None] + np.arange(rows)
        return positions

    def seek(self, position: int) -> None:
        """Continue as if ``position`` batches had been read.

        Args:
            position: Number of ``next`` calls that went before.
        """
        if position < 0:
            raise ValueError(f"position {position} is negative")
        self.position = position

    def _copied(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device; to a CUDA device through pinned memory, so that the host does not wait.

        Args:
            tensor: On the host.
        """
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def scale_images(images: Tensor) -> Tensor:
    """Map bytes to [−1, 1]: x / 127.5 − 1.

    Args:
        images: ``uint8`` (N, C, H, W) in any memory layout.

    Returns:
        ``float32`` (N, C, H, W), contiguous.

    Example:
        >>> scale_images(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten()
        tensor([-1.,  1.])
    """
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)


def require_shares(batch: int, world: int, parts: int) -> None:
    """Raise an error if a batch cannot be divided equally.

    Args:
        batch: Rows of one global batch.
        world: Number of processes.
        parts: Number of parts for each process.

    Raises:
        DataError: If the batch is not a positive multiple of world × parts, or is too large.
    """
    shares = world * parts
    if batch > MAX_BATCH_SIZE:
        raise DataError(f"A batch of {batch} is too large: give a smaller one.")
    if batch < 1 or batch % shares:
        raise DataError(
            f"A batch of {batch} cannot be divided equally among {world} process(es) × {parts} part(s): "
            f"choose a multiple of {shares}."
        )
