"""Everything that speaks SQL: sync functions, which coroutines call through ``threads.in_database``."""
