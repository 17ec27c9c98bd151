"""Commands of `acd` that adapters bring; entry points in pyproject.toml name them."""
