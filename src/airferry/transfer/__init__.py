"""Carry out a plan: order, concurrency, progress. Never decides what is needed."""

from airferry.transfer.executor import carry_out
from airferry.transfer.outcome import Failure, Outcome, gaps_of
from airferry.transfer.progress import Progress, Silent

__all__ = ["Failure", "Outcome", "Progress", "Silent", "carry_out", "gaps_of"]
