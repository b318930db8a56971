"""What to copy and in which order. Pure: holds no connection, clock or lock, and moves nothing."""

from airferry.plan.model import (
    CopyBlob,
    CopyRequest,
    Gap,
    MountBlob,
    Plan,
    PutManifest,
    PutTag,
    Step,
    Survey,
)
from airferry.plan.planner import plan_copies
from airferry.plan.summary import Summary, summarize

__all__ = [
    "CopyBlob",
    "CopyRequest",
    "Gap",
    "MountBlob",
    "Plan",
    "PutManifest",
    "PutTag",
    "Step",
    "Summary",
    "Survey",
    "plan_copies",
    "summarize",
]
