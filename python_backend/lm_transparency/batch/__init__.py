"""Many prompts: where they come from, how they are analysed, and records that are on disk once each, come what may.

`prompts` reads them, `work` turns a few into records, `engine` and `on_ray` deal them out, `jsonl` and `parquet` keep
the records.
"""
