"""Ask the live API what the contract leaves open, with a limited number of requests, and store the answers (LV-05).

Belongs here: questions and their cost, sending them, answers and their meaning for the settings. Does not belong here:
printing (`cli/first_contact.py`), and how the loader uses an answer.
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
