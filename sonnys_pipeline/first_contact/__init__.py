"""What nobody knows of the live API is asked once, within a bound, reported, remembered and used (LV-05).

Belongs here: questions with their cost, requests within the bound, answers with what each means for the settings, and
what is kept of them. Does not belong here: printing (`cli/first_contact.py`), and what the loader makes of an answer.
"""

from sonnys_pipeline.first_contact.answers import Answer, answers_of
from sonnys_pipeline.first_contact.asking import Asker, Sent
from sonnys_pipeline.first_contact.evidence import Evidence
from sonnys_pipeline.first_contact.questions import MOST_REQUESTS, QUESTIONS, Question, ask_all, most_requests

__all__ = [
    "MOST_REQUESTS",
    "QUESTIONS",
    "Answer",
    "Asker",
    "Evidence",
    "Question",
    "Sent",
    "answers_of",
    "ask_all",
    "most_requests",
]
