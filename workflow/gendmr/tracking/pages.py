"""MLflow's pages on their side for trained models, as a plugin of `mlflow server`.

``mlflow server --app-name gendmr`` finds `create_app` by the entry point `mlflow.app` of this
package. Which side MLflow shows, and whether its assistant opens by itself, stands in the storage
of the browser, which only a page of the same address can write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

APP = "gendmr"
COOKIE = b"gendmr=shown"
# The first page of a session; the address it was asked for is then loaded again.
FIRST = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MLflow</title><script>
localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
document.cookie = "gendmr=shown; path=/; SameSite=Strict";
if (!location.hash) location.hash = "/experiments";
location.reload();
</script></head><body>MLflow's pages need JavaScript.</body></html>
"""
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def create_app() -> Application:
    """Return MLflow's application behind `first_page`."""
    from mlflow.server.fastapi_app import app

    return first_page(app)


def first_page(app: Application) -> Application:
    """Answer the first request of a browser for the start page with `FIRST`.

    Parameters
    ----------
    app : callable
        An application of ASGI, which answers all else.
    """

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        begins = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        cookies = b";".join(value for name, value in scope.get("headers", ()) if name == b"cookie")
        if not begins or COOKIE in cookies:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": FIRST})

    return answer
