"""Deliver a message to a webhook."""

import json
import time
from collections.abc import Callable

import requests

from sonnys_pipeline.orchestration.automation.messages import for_chat

#: Seconds to connect, and to wait for the answer; a look of a sensor may take a minute.
TIMEOUT = (5.0, 30.0)

#: Delivers a message.
Deliver = Callable[[str], None]


class DeliveryError(Exception):
    """A message was not delivered; the address, which is a secret, is not in the error."""


def webhook(url: str, timeout: tuple[float, float] = TIMEOUT, clock: Callable[[], float] = time.monotonic) -> Deliver:
    """Posts `{"text": …}`, as Slack, Mattermost and Teams' workflows take it; redirects are not followed.

    Nothing in the text is markup to them, and nothing of `~/.netrc` goes along: the address alone lets one post. A
    receiver that takes the message and does not answer in time has it: sent again, it would be there twice (KT-05).
    """

    def deliver(message: str) -> None:
        begun = clock()
        try:
            answer = requests.post(
                url,
                data=json.dumps({"text": for_chat(message)}).encode(),
                headers={"Content-Type": "application/json"},
                timeout=timeout,
                allow_redirects=False,
                auth=lambda request: request,  # or the library would look into ~/.netrc
            )
        except requests.ReadTimeout:
            # The library says the same of a TLS handshake that takes too long, which ends much earlier.
            if clock() - begun >= timeout[1]:
                return
            raise DeliveryError("the webhook did not complete the TLS handshake in time") from None
        except requests.RequestException as error:
            # Its text would have the address in it.
            raise DeliveryError(f"the webhook could not be reached ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise DeliveryError(f"the webhook answered {answer.status_code}; look at SONNYS_WEBHOOK_URL")

    return deliver
