"""Batches made before they are asked for: a thread gathers the next one while the last one is being used.

On a CUDA device it does so on a stream of its own, so that copies run beside the kernels of the training; whoever asks
for a batch waits, on the device, until it is complete. Order and content are those of the stream behind.
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
    """A stream that is one batch ahead of its reader.

    Args:
        stream: Read by nobody else from now on.

    Attributes:
        position: How many batches were handed out; the one that is being made does not count.

    Raises:
        DataError: Whatever the stream raises, when the batch that it could not make is asked for.

    Example:
        >>> import numpy as np
        >>> from sparring.data import Dataset
        >>> rows = Dataset("two", np.array([[0, 0], [1, 1]], np.float32))
        >>> batches, plain = PrefetchStream(Stream(rows, batch=2)), Stream(rows, batch=2)
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
                tensor.record_stream(reader)  # its memory is not used again before the reader is through
        return batch

    def seek(self, position: int) -> None:
        """Continue as if ``position`` batches had been handed out; the one that is being made is forgotten.

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
        """The thread, which starts with the first batch."""
        return ThreadPoolExecutor(1, thread_name_prefix="batches")

    def _made(self) -> Made:
        """Makes the next batch; on a CUDA device, tells when it will be complete."""
        if self._side is None:
            return next(self.stream), None
        with torch.cuda.stream(self._side):
            return next(self.stream), self._side.record_event()
