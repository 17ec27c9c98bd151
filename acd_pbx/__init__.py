"""Adapters: clients of the engine that speak PBX on their other side."""
