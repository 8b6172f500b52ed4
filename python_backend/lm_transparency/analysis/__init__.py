"""One prompt, analysed: the analysis in the making, its result, its limits and what it will take."""
