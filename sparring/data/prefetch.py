"""Prefetching of batches: a thread prepares the next batch while the current one is used.

On a CUDA device the thread uses a CUDA stream of its own, so that copies overlap with the kernels of the training; the
consumer's stream waits until a batch is complete. Order and content are those of the underlying stream.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from sparring.data.stream import Stream

Made = tuple[tuple[Tensor, ...], torch.cuda.Event | None]


class PrefetchStream:
    """A stream that prepares one batch ahead.

    Args:
        stream: The underlying stream. Do not read it elsewhere.

    Attributes:
        position: Number of batches returned, without the one in preparation.

    Raises:
        DataError: Raised by the stream while it prepares a batch, when that batch is requested.

    Example:
        >>> import numpy as np
        >>> from sparring.data import Dataset
        >>> rows = Dataset("two", np.array([[0, 0], [1, 1]], np.float32))
        >>> batches, plain = PrefetchStream(Stream(rows, batch_size=2)), Stream(rows, batch_size=2)
        >>> all(torch.equal(next(batches)[0], next(plain)[0]) for _ in range(3)), batches.position
        (True, 3)
    """

    def __init__(self, stream: Stream) -> None:
        self.stream, self.position = stream, stream.position
        self._side = torch.cuda.Stream(stream.device) if stream.device.type == "cuda" else None
        self._coming: Future[Made] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        coming = self._coming or self._worker.submit(self._made)
        self._coming = None
        batch, ready = coming.result()
        self.position += 1
        self._coming = self._worker.submit(self._made)
        if ready is not None:
            reader = torch.cuda.current_stream(self.stream.device)
            reader.wait_event(ready)
            for tensor in batch:
                tensor.record_stream(reader)  # its memory is not reused before the consumer has finished
        return batch

    def seek(self, position: int) -> None:
        """Continue as if ``position`` batches had been returned. The batch in preparation is discarded.

        Args:
            position: Number of ``next`` calls that went before.
        """
        if self._coming:
            wait([self._coming])
        self._coming = None
        self.stream.seek(position)
        self.position = position

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        """The thread, started at the first batch."""
        return ThreadPoolExecutor(1, thread_name_prefix="batches")

    def _made(self) -> Made:
        """Prepare the next batch; on a CUDA device, with the event of its completion."""
        if self._side is None:
            return next(self.stream), None
        with torch.cuda.stream(self._side):
            return next(self.stream), self._side.record_event()
