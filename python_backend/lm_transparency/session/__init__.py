"""What one process holds of models and runs, and the answers to questions about a run."""
