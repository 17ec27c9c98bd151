"""Several routing domains behind one address: a process for each, and one that starts, watches and stops them.

::

    site        which domains there are, and the settings of each
    handover    how a connection goes from the front to the process of its domain
    front       takes connections, reads which domain they are for, hands them over
    worker      one domain's process, as the supervisor sees it
    process     the same from inside: `python -m server.workers.process`
    metrics     the metrics of all, each with its domain
    supervisor  all of them together
"""
