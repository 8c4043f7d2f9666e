"""`howfar serve`: the networks behind HTTP and WebSocket, and a page in the browser."""
