"""Who may speak to the service: whoever holds the token, from this computer, and no web page."""

import secrets

from starlette.responses import JSONResponse


class Guard:
    """ASGI middleware. A foreign Host (DNS rebinding) or any Origin (a web page) -> 403; no or a wrong token -> 401."""

    def __init__(self, app, token: str, port: int):
        self.app = app
        self.authorization = f"Bearer {token}".encode()
        self.hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope, receive, send):
        refusal = self._refusal(dict(scope["headers"])) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> JSONResponse | None:
        if headers.get(b"host", b"").lower() not in self.hosts:
            return JSONResponse({"error": "Only programs on this computer may ask."}, 403)
        if b"origin" in headers:
            return JSONResponse({"error": "Web pages may not ask."}, 403)
        if not secrets.compare_digest(headers.get(b"authorization", b""), self.authorization):
            return JSONResponse({"error": "The token is missing or wrong."}, 401)
        return None
