"""A remote Zarr store that holds its root metadata back until all else is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from nbexport.errors import ExportCancelled
from nbexport.stores.targets._trouble import told

# In the order in which they are published: a Zarr 2 group is there with .zgroup.
ROOT_KEYS: Final = (".zattrs", ".zgroup", "zarr.json")


class HeldStore(WrapperStore[Store]):
    """Passes on all but the root's own metadata, and says in one sentence what a server refuses.

    Parameters
    ----------
    store
        The remote store.
    url
        The target, as it may be printed.

    Attributes
    ----------
    held
        The root metadata, by key: not written yet.
    """

    def __init__(self, store: Store, url: str = "") -> None:
        super().__init__(store)
        self.held: dict[str, Buffer] = {}
        self._url = url
        self._stopped = False
        self._n_writing = 0
        self._idle = threading.Condition()

    def __reduce__(self) -> tuple[Any, ...]:
        # To another process: locks stay here, and so does the root metadata.
        return type(self), (self._store, self._url)

    def stop(self, timeout: float) -> None:
        """Let no write begin from now on, and wait for those that have."""
        with self._idle:
            self._stopped = True
            self._idle.wait_for(lambda: self._n_writing == 0, timeout)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return what is held or stored."""
        if key in self.held:
            return self.held[key]
        with told("reading from", self._url):
            return await self._store.get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        """Return whether `key` is held or stored."""
        if key in self.held:
            return True
        with told("reading from", self._url):
            return await self._store.exists(key)

    async def set(self, key: str, value: Buffer) -> None:
        """Hold or store `value`."""
        if key in ROOT_KEYS:
            self.held[key] = value
            return
        with self._writing():
            await self._store.set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Hold or store `value`, unless there is one."""
        if not await self.exists(key):
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Remove what is held or stored; an array removes chunks that became empty."""
        if self.held.pop(key, None) is None:
            with self._writing():
                await self._store.delete(key)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._idle:
            if self._stopped:
                raise ExportCancelled("the export was stopped")
            self._n_writing += 1
        try:
            with told("writing to", self._url):
                yield
        finally:
            with self._idle:
                self._n_writing -= 1
                self._idle.notify_all()
