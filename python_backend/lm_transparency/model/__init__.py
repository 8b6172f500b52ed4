"""From a name to a loaded model whose parts are known: sources, loading, anatomy and the table of family facts."""
