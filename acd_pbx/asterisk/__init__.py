"""Asterisk 18 or newer, through ARI: REST and WebSocket.

==============  =====================================================================================
module          what it owns
==============  =====================================================================================
`ari`           the connection: requests and events, no meaning
`operations`    the requests that are made, one row each
`names`         ids of contacts, legs and bridges, and what a channel tells of itself
`settings`      the adapter's file
`call`          one caller: a state machine without sockets, driven by both sides
`picture`       what Asterisk and engine say at one moment, for a new beginning
`adapter`       the process: joins the two connections, and hands to calls what concerns them
==============  =====================================================================================
"""
