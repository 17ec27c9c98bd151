"""Asterisk 18 or newer, through ARI: REST and WebSocket.

==============  =====================================================================================
module          what it owns
==============  =====================================================================================
`ari`           the connection: requests and events, no meaning
`operations`    the requests that are made, one row each
`names`         ids of contacts, legs and bridges, and what a channel tells of itself
`settings`      the adapter's file
`call`          one caller: a state machine without sockets, driven by both sides
`hearing`       what he hears while he waits
`callback`      one who is called back: what he asked for, and the attempt to reach him
`leg`           one agent's side of it: offer, channel, cause of the end; `legs` are all of a call's
`report`        what the engine is told of him
`ringing`       open offers: whose phones ring
`talk`          who talks with him, and in which bridges
`conversation`  the bridge in which they do
`consult`       what one of them asks a colleague aside
`room`          a bridge, and who is in it
`recording`     of conversations, by ARI or MixMonitor
`effects`       what a call leaves to be done
`picture`       what Asterisk and engine say at one moment, for a new beginning; `standing` is one contact's part of it
`chain`         the requests of one call, one after the other
`wish`          what a caller wants, as the dialplan says it
`attendants`    agents and supervisors who dial a code
`presence`      agents' phones, and lamps
`lease`         who of several adapters is active
`service`       the process: active or spare
`queue_log`     events as lines of the queue_log; `queue_log_file` keeps the file right
`conf_file`     Asterisk's configuration files
`import_queues` an existing queues.conf as our configuration
`adapter`       joins the two connections, and hands to calls what concerns them
==============  =====================================================================================
"""
