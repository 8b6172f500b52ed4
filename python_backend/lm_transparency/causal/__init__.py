"""Interventions and what they change. Empty in this release: causal checks move in with their own issue."""
