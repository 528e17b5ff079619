"""First contact: what nobody knows of the live API is asked once, within a bound, told, remembered and used (LV-05).

Belongs here: the questions and their cost (`questions.py`), sending within the bound (`asking.py`), what came
(`evidence.py`, `shapes.py`), and the answers with what each means for the settings (`answers.py`); what is kept of them
(`keeping.py`). Does not belong here: printing (`cli/first_contact.py`), and what the loader makes of an answer.
"""

from sonnys_pipeline.batch.first_contact.answers import Answer, answers_of
from sonnys_pipeline.batch.first_contact.asking import Asker, Sent
from sonnys_pipeline.batch.first_contact.evidence import Evidence
from sonnys_pipeline.batch.first_contact.questions import MOST_REQUESTS, QUESTIONS, Question, ask_all, most_requests

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
