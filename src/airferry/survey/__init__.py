"""Look before planning: reads sources and asks destinations. Never writes."""

from airferry.survey.attachments import find_attachments
from airferry.survey.destinations import Holdings, survey_destinations
from airferry.survey.sources import Findings, survey_sources

__all__ = ["Findings", "Holdings", "find_attachments", "survey_destinations", "survey_sources"]
