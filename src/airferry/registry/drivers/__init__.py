"""Where the bytes lie, behind one protocol: files on a disk, or memory."""

from airferry.registry.drivers.filesystem import FilesystemDriver
from airferry.registry.drivers.memory import MemoryDriver
from airferry.registry.drivers.protocol import Driver, StoredObject, UploadHandle

__all__ = ["Driver", "FilesystemDriver", "MemoryDriver", "StoredObject", "UploadHandle"]
