"""The protocol between the engine and everything around it: messages, framing without sockets, asyncio client."""

from acd_protocol.client import Client, ClientError, ConnectionLost, ConnectionState, Refused, Replaced

__all__ = ["Client", "ClientError", "ConnectionLost", "ConnectionState", "Refused", "Replaced"]
