"""Files that others may have written or hold open: reading JSON, writing whole files, recognising changes."""
