"""Running a registry: reloading, renewing, measuring, telling how it is. Nothing here serves content."""
