"""Is the routing right? The live engine in virtual time, against what theory knows exactly.

`make oracles` plays every case and prints a line for each figure: exact, simulated with its interval, verdict.

| module | what it asks |
|---|---|
| `case` | what a case is, how it is played, how a verdict comes about |
| `invariants` | what must hold in every run, whatever is asked |
| `single_queue` | Erlang C and A |
| `skills` | W and N models, rings, random skill graphs, Wallace and Whitt's six types |
| `call_choice` | which of the waiting contacts: priority, service objectives, head start, queue ratios, costs |
| `agent_choice` | which of the free agents: fast first, slow first, longest idle |
| `announcements` | how well a wait can be predicted |
| `blending` | outbound work beside inbound calls |
| `day` | a day with a peak |
| `other_simulator` | models without a formula, against another simulator (ciw) |
"""
