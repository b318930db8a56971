"""Where the bytes lie, behind one protocol: files on a disk, or memory."""

from airferry.registry.drivers.filesystem import FilesystemDriver
from airferry.registry.drivers.memory import MemoryDriver
from airferry.registry.drivers.protocol import Adopted, Driver, Sharing, StoredObject, UploadHandle

__all__ = ["Adopted", "Driver", "FilesystemDriver", "MemoryDriver", "Sharing", "StoredObject", "UploadHandle"]
