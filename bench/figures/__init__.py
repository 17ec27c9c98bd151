"""What is measured for `make goals` and `make peers`: figures by name, each with a value for every round.

What is to be compared is measured in the same run, by turns, so that what else the machine does meets both.
"""
