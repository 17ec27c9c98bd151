"""Scenario files: what a planner writes, and how it becomes a model to simulate."""
