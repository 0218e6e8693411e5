"""Stages of a plan made by the machines of a Ray cluster; ``docs/several_machines.md`` says how."""
