"""An answer that has all kinds of blocks."""

RICH = """Some *text* with `code`, a [link](https://example.com/) and math $x_1 + \\frac{1}{2}$.

## A heading

```python
def f(x):
    return x + 1  # a comment
```

| one | two |
|-----|----:|
| 1   | 2   |

1. first
2. second

> quoted

- [x] done
"""
