"""Many prompts: reading them, analysing them, and keeping one record of each on disk, even across crashes.

`prompts` reads them, `work` turns a few into records, `engine` and `on_ray` distribute them, `jsonl` and `parquet` keep
the records.
"""
