"""What-if replay: what really happened, once more under other rules or with other staff.

| module | what it knows |
|---|---|
| `past` | what happened, whatever told it: arrivals, handle times, answers, patience as far as it is known |
| `from_journal`, `from_calls`, `from_queue_log` | a past from a journal, from recorded calls, from Asterisk's queue_log |
| `unknown` | what the record does not tell, drawn from what it tells of others |
| `rerun` | a past through the engine, under its own rules or others |
| `comparison` | figures of reruns beside each other, with how sure they are |
"""
