"""Log lines on stderr, of the level and in the form that were asked for."""

import logging
import sys


def send_to_stderr(level: str, form: str) -> None:
    """Send the log lines of this process to stderr: ``level`` is debug, info, …; ``form`` text or json.

    Fields that could hold secrets are never logged, by whoever logs.
    """
    logger = logging.getLogger("airferry")
    logger.handlers[:] = [_Handler(form)]
    logger.setLevel(level.upper())
    logger.propagate = False


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for the type checker only
    """Writes lines; what formats them is loaded with the first one, since most runs have none."""

    def __init__(self, form: str) -> None:
        super().__init__(sys.stderr)
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            self.formatter = _formatter(self._form)
        return self.formatter.format(record)


def _formatter(form: str) -> logging.Formatter:
    import structlog

    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=False)
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
