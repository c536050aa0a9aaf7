"""The engine's HTTP API: one application on two Unix sockets, over `engine.daemon.control` only.

`app.make_app` builds it, `listener.Listener` serves it on a listening socket.
"""
