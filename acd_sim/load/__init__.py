"""Load for a running server: contacts by the hundred thousand, checked one by one, and what they cost and waited.

- `floor`: the centre that is served, and the kinds of contact that come to it
- `link`: what is said on a connection before and after the load
- `sender`: the loop that sends and reads; compiled, so that it is not what is measured
- `histogram`: latencies, in the layout of HdrHistogram
- `plan`, `run`, `result`: what shall be done, doing it, what came of it
- `liveview`, `page`: for people
"""
