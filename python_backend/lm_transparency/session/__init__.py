"""The models and runs that one process holds, and the answers to questions about a run."""
