"""The ASGI shell around the mounted page: hosts, origins, headers, limits, and who is asking."""
