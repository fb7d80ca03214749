"""A span for each request: method, template of the address, status, number."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shahrdad.node import tracing


class Traced:
    """ASGI middleware around the frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, inside a span where tracing is on."""
        if scope["type"] != "http" or not tracing.is_on():
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.span("request") as made:
            try:
                await self._app(scope, receive, noting)
            finally:
                if made is not None:
                    route = getattr(scope.get("route"), "path", None) or "none"
                    made.update_name(f"{scope['method']} {route}")
                    number = str(scope.get("shahrdad.request_id", ""))
                    made.set_attributes(
                        {
                            "http.request.method": scope["method"],
                            "http.route": route,
                            "http.response.status_code": status,
                            "shahrdad.request_id": number,
                        }
                    )


__all__ = ["Traced"]
