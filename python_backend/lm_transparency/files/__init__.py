"""Files that somebody else may have written, or holds open: reading JSON, writing whole files, telling files apart."""
