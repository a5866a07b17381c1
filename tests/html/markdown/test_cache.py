"""A cache with a bound."""

from chat.html.markdown.cache import Cache


def test_the_least_recently_used_value_is_dropped_at_the_limit():
    cache: Cache[str] = Cache(10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]
    assert cache.size == 8


def test_a_value_put_twice_counts_once():
    cache: Cache[str] = Cache(10)
    cache.put("a", "A", 4)
    cache.put("a", "B", 5)
    assert (cache.get("a"), cache.size) == ("B", 5)


def test_a_value_larger_than_the_whole_cache_is_not_kept():
    cache: Cache[str] = Cache(10)
    cache.put("a", "A", 11)
    assert (cache.get("a"), cache.size) == (None, 0)
