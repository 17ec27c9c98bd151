"""Real faults on real processes and files: what `tests/test_faults.py` and `tests/test_crowds.py` are made of."""
