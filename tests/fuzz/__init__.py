"""Bad input, found by a fuzzer that follows coverage: `make fuzz SECONDS=60`.

`targets` says what is tried and what must hold; each target takes bytes. `choices` makes structure out of bytes: messages
that follow the declarations or break them by a little. `corpus/TARGET` holds the inputs that between them reach
everything that was reached so far; `tests/test_fuzz.py` runs them with the other tests. `__main__` runs atheris, a
libFuzzer that sees the branches of Python code; compiled modules it does not see, so the target `machine` compares them
with the readable model, whose branches it does see.
"""
