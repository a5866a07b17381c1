"""Whole answers as models write them: as long as real ones, each awkward in its own way."""

# ruff: noqa: RUF001

from .corpus import AWKWARD

ANSWERS = [
    # Lists in lists with code in them, and a fence that has left its list item
    """\
To put the nightly backup on the new machine you need three things: a script, a timer and a test that it can be \
restored. I'd do it in this order.

1. **Write the script.** Save it as `/usr/local/bin/backup.sh`:

   ```bash
   #!/usr/bin/env bash
   set -euo pipefail
   stamp=$(date +%F)
   tar --create --gzip --file "/srv/backup/$stamp.tar.gz" /home "$@"
   find /srv/backup -name '*.tar.gz' -mtime +14 -delete
   ```

   A few notes:

   - `set -euo pipefail` ends the script at the first error, so that
     - a full disk does not go unnoticed, and
     - an unset variable is no empty string;
   - `-mtime +14` means *older than* two weeks.

2. **Make a timer.** Two files are needed:

   * the service, `backup.service`:
     ```ini
     [Unit]
     Description=Nightly backup

     [Service]
     Type=oneshot
     ExecStart=/usr/local/bin/backup.sh /etc
     ```
   * and the timer itself:

  ```ini
[Timer]
OnCalendar=*-*-* 03:15:00
Persistent=true

[Install]
WantedBy=timers.target
  ```

3. **Start it.** Then look at what it says:

       systemctl enable --now backup.timer
       systemctl list-timers | grep backup

   1. If the second command prints nothing, reload with `systemctl daemon-reload`.
   2. If it prints `n/a`, the timer was never started:
      ```
      $ systemctl status backup.timer
      \u25cf backup.timer - Nightly backup
           Active: inactive (dead)
      ```
      1) start it by hand
      2) look again

10. **Restore once.** A backup that nobody has restored is a hope, not a backup.

That's all! Let me know if you'd like the same with `restic`.
""",
    # A wide table
    """\
Here is the comparison you asked for. I left out drivers that have had no release for two years.

| Driver | Install | Async? | Placeholder | Pool | Licence | Notes |
|:-------|---------|:------:|:-----------:|-----:|---------|-------|
| **alpha** | `pip install alpha-db` | ✅ | `%s` | 10 | MIT | The [manual](https://alpha.example/docs?lang=en&v=3) is \
*short* but **complete** |
| **beta** | `pip install "beta[speed]"` | ❌ | `?` | 5 | BSD\\|MIT | `a \\| b` in a cell needs `\\|` |
| _gamma_ | `cargo add gamma` | ✅ | `$1` | — | Apache-2.0 | ~~Windows~~ only Linux, see \
[issue 42](https://gamma.example/issues/42 "Windows") |
| delta | `npm i @delta/core` | ✅ | `:name` | 1 | ISC | Costs $5 per seat, or $50 per team | and this \
cell is one too many |
| epsilon | | | |
| ***zeta*** | `go get zeta.example/v2` | ⚠️ | `@p1` | 100 | GPL-3.0-or-later | Long cell: it keeps prepared statements \
across connections, retries `SERIALIZABLE` failures up to three times, logs `a || b` as one expression, and needs \
`max_connections >= 2 * workers` |

And the same in numbers (median of five runs, lower is better):

Rows | alpha | beta | gamma
--: | --: | --: | --:
1 | 0.4 ms | 0.3 ms | **0.2 ms**
1\u202f000 | 2.1 ms | 2.6 ms | 1.9 ms
1\u202f000\u202f000 | 1\u202f730 ms | 2\u202f910 ms | *did not finish*

**Bottom line:** take *alpha* unless you need `LISTEN`/`NOTIFY`; then take *zeta*.""",
    # Links whose addresses come at the end
    """\
Short answer: yes, a heat pump works in an old house, but the *flow temperature* decides whether it works well. \
The [field study][study] of 2021 looked at 41 houses, and [its authors][Study] found no link between the age of the \
walls and the yearly efficiency; see also [the appendix][app].

What matters more, according to [Lindqvist][1] and [Okafor][2]:

- the size of the radiators ([tables][tab], [calculator][])
- the length of the pipes — [2] has a rule of thumb
- whether anyone has set the **heating curve** at all [3]
- noise: see [this `dB(A)` primer][db] and [**what the neighbours may ask for**][law]

> "Most of the houses that we visited needed two larger radiators, and nothing else." — [Okafor][2], p. 17

If you only read one of them, read [the calculator's help][calculator]. The map ![of all 41 houses][map] is worth a \
look, too. One source that is often quoted, [this one][gone], does not exist any more, and I could not find [4].

### Sources

[study]: https://studies.example/heat/2021/final.pdf "Forty-one houses"
[app]: <https://studies.example/heat/2021/appendix.pdf>
[1]: https://lindqvist.example/radiators?size=600x1200&type=22
[2]: https://okafor.example/pipes (Pipes and pumps)
[3]: https://curve.example/
[tab]: https://tables.example/en/442 'Output at 45 degrees'
[calculator]: https://calculator.example/#flow
[db]: https://noise.example/primer
[law]: https://law.example/heat_pumps/noise_(night)
[map]: https://maps.example/houses.png
[unused]: https://nobody.example/asks
""",
    # Notes at the foot
    """\
The word *serendipity* was coined in a letter of 1754.[^1] Horace Walpole took it from a fairy tale[^tale] about three \
princes who "were always making discoveries, by accidents and sagacity, of things which they were not in quest \
of".[^1][^quote]

Three things are often said about it which are only half true:

1. That it means *luck*. Walpole insisted on **sagacity**, too.[^sagacity]
2. That it cannot be translated. Many languages simply borrowed it: *serendipità*, *Serendipität*, セレンディピティ.[^3]
3. That it was popular at once. It slept for about a century[^4] and woke up in the vocabulary of chemists.[^missing]

So if you want one sentence for your talk: "Serendipity is what a prepared mind makes of an accident."^[This is my own \
wording, an inline note that few renderers know.]

---

[^1]: To Horace Mann, 28 January 1754. The letter is long, and the word comes near its end.
[^tale]: *The Three Princes of Serendip*, first printed in Venice in 1557.
    A second paragraph of the note would be indented like this one.

    - and may contain a list
    - with `code`
[^quote]: Spelling modernised; see <https://letters.example/walpole/1754>.
[^sagacity]: [OED](https://dictionary.example/sagacity "sagacity, n."), sense 2.
[^3]: The Japanese is a transcription, [not a translation][wiki].
[^4]: Fewer than five printed uses before 1850[^5], if the scans can be trusted.

[wiki]: https://words.example/wiki/Serendipity_(word)
""",
    # Mathematics and money
    r"""
**Step 1: what we know.** You put \(P = 2000\) dollars into an account at $r = 4\,\%$ a year; the fee is $5 a month, or
$60 a year. Let $B_n$ be the balance after $n$ years. Then

$$
B_{n+1} = (1 + r)\,B_n - 60, \qquad B_0 = P.
$$

**Step 2: the fixed point.** Setting $B_{n+1} = B_n = B^*$ gives \( r B^* = 60 \), and so

\[
B^* = \frac{60}{r} = \frac{60}{0.04} = 1500.
\]

**Step 3: solve.** The difference $D_n = B_n - B^*$ satisfies $D_{n+1} = (1+r) D_n$, therefore

$$\begin{aligned}
B_n &= B^* + (1+r)^n (P - B^*) \\
    &= 1500 + 500 \cdot 1.04^n. \\[2pt]
\end{aligned}$$

For ten years that is $1500 + 500 \cdot 1.04^{10} \approx 2240.12$, i.e. about $240 more than you began with -- and not
the $960 that the brochure promises ($2000 \times 1.04^{10} \approx 2960$).

**Step 4: check the limit.**

1. If \(P < 1500\), the account *shrinks*: $\lim_{n\to\infty} B_n = -\infty$.
2. If $P = 1500$ it stays where it is: $\Delta B = 0$.
3. In continuous time, $\dot B = rB - f$ with $f = 60$:
   $$ B(t) = \frac{f}{r} + \left(P - \frac{f}{r}\right) e^{rt} $$
   which differs from the above by less than $\$3$ in ten years.

| $n$ | $B_n$ | $B_n - P$ |
|----:|------:|:---------:|
| 0   | $2000.00 | $0$ |
| $5$ | $2108.33 | \(+108.33\) |

Set in a block, for the matrix fans: \[ \begin{pmatrix} B_{n+1} \\ 1 \end{pmatrix} = \begin{pmatrix} 1.04 & -60 \\ 0 & 1
\end{pmatrix} \begin{pmatrix} B_n \\ 1 \end{pmatrix} \] and an unfinished thought: $\sum_{k=0}^{n-1} (1+r)^k = \frac{
""",
    # Bold beside East Asian punctuation
    """\
好的，下面用**中文**和**日本語**各说明一遍。

## 一、中文说明

泡茶最重要的不是茶叶的价格，而是**水温、时间和比例。**很多人用刚烧开的水冲绿茶，结果**“又苦又涩”**，其实只要把水放凉到\
**80℃左右**，味道就会完全不同。

1. **绿茶（龙井、碧螺春）：**每100毫升水放**2克**茶叶，`75–80℃`，泡*一分半钟*；
2. **乌龙茶：**水要**“滚”**，第一泡**（洗茶）**倒掉不喝；
3. **普洱**——可以泡**十次以上！**但是***不要***泡太久。

> **注意：**空腹不要喝浓茶。**（尤其是早上。）**如果睡不好，下午**三点以后**就别喝了。

比例可以写成公式：$m = 0.02\\,V$，也可以查[这张表](https://茶.example/表格?温度=80)。__重要__：杯子要先**温**一下。

## 二、日本語での説明

お茶をおいしく淹れるには、**「温度」**がいちばん大切です。煎茶なら**七十度。**玉露なら**五十度**まで冷ましてください。

- **急須**に茶葉を入れる（*一人分*は**約3g**）
- お湯を注ぎ、**一分ほど待つ。**ふたは**開けない！**
  - 二煎目は**十秒**で十分です
  - ~~三煎目~~は**おすすめしません**。
- 最後の**一滴（ゴールデンドロップ）**まで注ぎきる

| 種類 | 温度 | 時間 |
|:--:|--:|:--|
| **煎茶** | 70℃ | 60秒 |
| 玉露 | ５０℃ | **２分**（長め） |
| ほうじ茶 | 熱湯 | `30秒` |

コードで書くと、`淹れる(温度=70, 秒=60)`です。ルビは<ruby>玉露<rt>ぎょくろ</rt></ruby>と書きます。半角ｶﾀｶﾅ、\
全角ＡＢＣ、異体字（葛\U000e0100城）、合字㍿も**表示されるはず**です。한국어로는 **'차(茶)'**라고 합니다。
""",
    # From right to left, with names and code from left to right
    """\
بالتأكيد! إليك شرحًا قصيرًا بالعربية ثم بالعبرية.

## **أولًا:** ما هو `virtualenv`؟

البيئة الافتراضية في **Python** هي مجلد مستقل يحتوي على نسخة من المفسّر ومن المكتبات. لإنشائها استخدم الأمر \
`python -m venv .venv` ثم فعّلها بالأمر `source .venv/bin/activate` (في Windows: `.venv\\Scripts\\activate`).

1. أنشئ المجلد: `mkdir project && cd project`
2. ثبّت **Django 5.2** و*Channels*، الإصدار ≥ 4.3
   - إذا ظهر الخطأ `ModuleNotFoundError: No module named 'django'` فالبيئة غير مفعّلة!
   - راجع [التوثيق الرسمي](https://docs.example/ar/مقدمة?q=بيئة) أو اكتب إلى help@docs.example
3. شغّل الخادم على المنفذ ٨٠٠٠ (أي 8000)

> "الكود الجيد يشرح نفسه." — مثل شائع بين المبرمجين، وقيل أيضًا: \u2067**لا**\u2069 يشرح نفسه (*C++* مثلًا).

## **שנית:** אותו הדבר בעברית

סביבה וירטואלית היא תיקייה נפרדת. הפקודה `pip install -r requirements.txt` מתקינה את כל הספריות, כולל \
**nh3** ו-`msgspec`. שימו לב: ב־macOS כותבים `python3`, לא `python`\u200f!

| פקודה | מה היא עושה | הערה |
|---|:-:|--:|
| `pip list` | מציגה את **כל** החבילות | ~50 שורות |
| `pip freeze > x.txt` | שומרת לקובץ | (חשוב!) |

```python
# תגובה בעברית וتعليق بالعربية
שלום = "שלום, עולם"  # זה חוקי
print(f"{שלום} / مرحبا")
```

המחיר: 5$ או ₪18, תלוי ב־VAT (17%). שָׁלוֹם עִם נִקּוּד, وَالْعَرَبِيَّةُ بِالتَّشْكِيلِ.
""",
    # Types that look like tags
    """\
The difference is *erasure*. In Java, List<String> and List<Integer> are the same class at run time, which is why you \
cannot write new T[] or x instanceof List<String>. In C++, std::vector<int> and std::vector<std::string> are two \
unrelated types, and std::map<std::string, std::vector<std::pair<int, int>>> is a third one. Rust does the same as C++ \
(*monomorphisation*): Vec<Option<Box<dyn Fn(&str) -> Result<T, E>>>> is checked once and compiled per use.

A few consequences:

- A Java method <T extends Comparable<? super T>> void sort(List<T> list) can take a raw List, with a warning.
- C++ allows template<typename T, std::size_t N = 16> struct Buffer { T data[N]; }; and then Buffer<char, 1<<10>.
- In Rust you sometimes need the *turbofish*: "42".parse::<u32>() or iter.collect::<Vec<_>>().
- impl<'a, T: ?Sized + 'a> Deref for Ref<'a, T> { type Target = T; } reads worse than it is.
- TypeScript: Promise<Array<Record<string, unknown>>> exists only until the compiler is done; Map<K, V[]> as well.
- C#: List<string?>? is not List<string>, and Dictionary<string, (int a, int b)> is fine.

So if (a < b && c > d) is fine in all of them, but f(a<b, c>(d)) was once ambiguous in C++: is it f((a<b), (c>(d))) \
or a call of a<b, c>? And operator<=> is not a typo. With #include <vector>, std::cout << x << "\\n"; \
and x->y you have met every arrow there is; &T, &mut T, T*, T&, T&& and *const T are left as an exercise.

**In short:** `List<String>` in Java is a promise, <T> in C++ is a stencil, and Vec<T> in Rust is both.""",
    # HTML between Markdown
    """\
Sure! Markdown lets you mix in raw HTML <!-- mostly --> where it has no syntax of its own. For example:

<div align="center">
  <img src="logo.png" width="120" alt="Logo"/>
  <h1>My <em>project</em></h1>
</div>

<details>
<summary><b>Click to expand</b></summary>

Inside there may be **Markdown** again, if a blank line comes first:

- an item with <kbd>Ctrl</kbd>+<kbd>C</kbd>
- H<sub>2</sub>O and E = mc<sup>2</sup>
  <br>
  a line after a break<br/>and another

</details>

Things to look out for:

1. An opening <!-- without an end hides the rest of the page in some renderers. Like here: <!-- TODO
2. `<br>` in code is text, <br> outside may not be.
3. Attributes such as <span style="color: red">red</span> are *stripped* nearly everywhere.
4. <center>Old tags</center> and <font color=#ff0000>others</font> &mdash; don't.

<table>
<tr><th>a</th><th>b</th></tr>
<tr><td>1</td>

<td>

**2**

</td></tr>
</table>

<p>An unclosed paragraph, &lt;escaped&gt; &amp; not, with an &unknown; entity, a &nbsp; one and &#128512; &#x1F600;.

<script>
  // this never runs
  document.title = "<" + "!--";
</script>

--> And here somebody remembered to close the comment. </details> </div>
""",
    # Consoles, logs and a patch without a fence
    """\
I ran it again with the flag, this is what I get:

$ python manage.py migrate --plan 2>&1 | tail -n 5
Planned operations:
chat.0004_names_and_order
    Rename field created to created_at on message
    Alter field title on conversation
    Raw Python operation -> Fill the *order* of old messages

$ ls -l /var/log/app
total 48
-rw-r--r-- 1 app app 40960 Mar  3 04:05 app.log
drwxr-x--- 2 app app  4096 Mar  3 00:00 old/

2024-03-03 04:05:06,789 [INFO ] worker[1] <Task-7> started, args=('a_b_c', **{'retry': 3})
2024-03-03 04:05:07,001 [ERROR] worker[1] <Task-7> failed after 212ms
Traceback (most recent call last):
  File "/srv/app/tasks.py", line 88, in run
    return self.__class__.handlers[name](*args, **kwargs)
           ~~~~~~~~~~~~~~~~~~~~~~~^^^^^^
KeyError: 'a_b_c'
# 1 of 3 attempts
## retrying in 5s
### giving up

So the handler is not registered. The fix is a single line:

diff --git a/tasks.py b/tasks.py
index 83db48f..bf2a1c9 100644
--- a/tasks.py
+++ b/tasks.py
@@ -12,7 +12,8 @@ class Worker:
     handlers = {
-        "a_b": run_a_b,
+        "a_b": run_a_b,
+        "a_b_c": run_a_b_c,
     }
\x20
     def __init__(self):

>>> Worker.handlers["a_b_c"]
<function run_a_b_c at 0x7f3a2c>
>>> 2 ** 10 > 1_000
True

C:\\Users\\app> type out.txt
|  id | name   |
+-----+--------+
|   1 | a_b_c  |

(venv) ~/app % echo done | tee -a *.log
done
""",
    # A fence that is never closed
    """\
Sure, here is the complete program. It reads numbers from the standard input and prints their mean and median:

```python
\"\"\"Mean and median of the numbers in the standard input.\"\"\"

import sys
from statistics import mean, median


def numbers(lines):
    for line in lines:
        for word in line.replace(",", " ").split():
            try:
                yield float(word)
            except ValueError:
                print(f"ignored: {word!r} <- no number & no idea", file=sys.stderr)


def main() -> int:
    found = list(numbers(sys.stdin))
    if not found:
        return 1
    # * not a list
    # **not bold** and [not](a-link)
    print(f"{mean(found):.2f} | {median(found):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

**How it works:**

1. `numbers` splits each line at commas and white space.
2. What is no number is reported, not fatal.
3. `main` returns 1 when there was nothing to do.

You can try it like this: `echo "1, 2, x, 4" | python stats.py`

| input | output |
|-------|--------|
| 1 2 3 | 2.00 \\| 2.00 |

Let me know if you want a version with `argparse` or a `--json` flag! I would also add a test:

```python
def test_numbers():
    assert list(numbers(["1,2", "x 3"])) == [1, 2, 3]
""",
    # Fences in fences
    """\
To show a fence inside of a fence, the outer one must be longer. This is what you type:

````markdown
# Install

Run the following:

```bash
pip install example  # inner fence
```

and then

~~~toml
[tool.example]
strict = true
~~~

Inline it is the same: `` `code` ``.
````

which your readers will see with the inner fences intact. The rules are simple:

* the closing fence has *at least* as many backticks as the opening one,
* it has no info string: so ```` ```bash ```` can never close anything,
* tildes and backticks do not mix:

  ~~~~text
  ```
  still inside
  ~~~
  still inside
  ~~~~~

* five work as well:

  `````md
  ````md
  ```js
  const s = `a ${b} c`;
  ```
  ````
  `````

If you forget the fourth backtick, you get this instead:

```markdown
Some text

```python
print("inside or outside?")
```

And this paragraph, which you meant to be *inside*, is outside -- while the next fence opens a block again:

```

Everything down here is code now, **including** this sentence.
""",
    # Windows line ends and tabs
    """\
Here's how to share a folder from Windows 11, step by step:

1.  Open **Settings**\t>\t**Network & internet**
\t-\tchoose *Private network*
\t\t-\tnot *Public network*!
\t-\tturn on **File and printer sharing**
2.  Right-click the folder, then **Properties** > **Sharing** > **Share...**

\tPick the people:

\t\tEveryone\tRead
\t\tMaria\t\tRead/Write
\t\tGuests\t\t-

3.  Write down the path, e.g. `\\\\DESKTOP-7Q\\photos` or \\\\DESKTOP-7Q\\photos

Name\tSize\tModified
----\t----\t--------
a.jpg\t1 KB\t2023-01-01
b.jpg\t20 KB\t2023-01-02

From a command prompt the same is

```bat
@echo off
net share photos=C:\\Users\\maria\\Pictures /grant:Everyone,READ
if %ERRORLEVEL% NEQ 0 (
\techo Failed ^& gave up
\texit /b 1
)
```

or in PowerShell:

\tNew-SmbShare -Name "photos" -Path "$HOME\\Pictures" `
\t\t-ReadAccess "Everyone"

| Setting\t| Default\t| Mine |
|\t---\t|\t:---:\t| --- |
| SMB 1\t\t| off\t\t| **off** |
| Port\t\t| 445\t\t| `445` |

Two things that often go wrong:
*\tthe firewall blocks port 445\\
\tand says nothing
*\tthe laptop sleeps \x20
\tat night

Hope that helps!
""".replace("\n", "\r\n"),
    # Addresses, long and many
    """\
I found quite a few pages about it; here are those that still work (checked one by one):

- https://www.example.org/archive/2019/07/14/a-very-long-title-that-nobody-will-ever-type-by-hand-because-it-goes-on-and-\
on?utm_source=newsletter&utm_medium=email&utm_campaign=summer_2019&session=\
eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJub3QiOiJhIHNlY3JldCJ9.c2lnbmF0dXJl#section-4.2.1
- http://maps.example/@52.5200,13.4050,12z/data=!3m1!4b1!4m5!3m4!1s0x0:0x0!8m2!3d52.52!4d13.405
- www.example.net/a_b_c/d*e*f/(parentheses)/[brackets]/~user/
- <https://auto.example/?q=a+b&lang=de>, and the same without: https://auto.example/?q=a+b&lang=de.
- ftp://old.example/pub/README and mailto:list@old.example, or just list@old.example!
- [a link whose text is its address: https://inner.example/](https://outer.example/path_(with)_parentheses?x=%20%7C%7D)
- https://en.wiki.example/wiki/Mercury_(planet), https://ja.wiki.example/wiki/水星 and https://münchen.example/straße
- data: `data:text/plain;base64,SGVsbG8=`; see "https://quoted.example/", (https://in.parens.example/x) and \
https://ends-with-dots.example...

Downloads: https://dl.example/v1.0.0/app_linux_x86_64.tar.gz https://dl.example/v1.0.0/app_darwin_arm64.tar.gz \
https://dl.example/v1.0.0/app_windows_x86_64.zip **https://dl.example/v1.0.0/SHA256SUMS**
https://dl.example/v1.0.0/SHA256SUMS.asc

The checksum of the first is 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, which is one word of 64 \
letters; with spaces it is 9f86 d081 884c 7d65. Local addresses such as http://localhost:8000/admin/, \
http://127.0.0.1/, http://[::1]:8080/x and //cdn.example/lib.js are no use to you. **Source:** [1](https://one.example)\
[2](https://two.example)[3](https://three.example/?a[]=1&a[]=2) [4](<https://four.example/with space>) \
[5](not an address)""",
    # A thread of mails
    """\
Here is a reply you could send. I kept the thread below it, as your team does:

> Hi Tomás,
>
> thanks for the quick answer. Two remarks inline.
>
> On Tuesday, Tomás <tomas@mail.example> wrote:
> > On Mon, 4 Mar, Aiko wrote:
> > > The room is too small for everybody. Options:
> > >
> > > 1. move to the *library*
> > >    - 40 seats
> > >    - no projector
> > > 2. split into two groups
> > >> the old quote of a quote, from a client that adds no space
> > > 3. **postpone**
> >
> > I'm for (1). The projector costs ~$20, see
> > https://rent.example/item?id=7&days=1
>>
>> And this line had its spaces eaten on the way.
> That's fine with me, but the library closes at 18:00:
>
> | day | closes |
> |-----|--------|
> | Tue | 18:00  |
> | Wed | 20:00  |
>
> so let's take **Wednesday**. For the invitation:
>
> ```
> Subject: [Team] Planning -> library, Wed 16:00
> > bring your laptops
> ```
>
> Lazy last line of the paragraph
that goes on without its sign.
>
>> > >>> who wrote this?
>
> --
> Aiko
> Sent from my phone

If you'd rather be shorter:

> Wednesday, library, 16:00. OK for everyone?
- Aiko

> [!TIP]
> Quote only what you answer.
""",
    # Headings of both kinds, rules, and front matter
    """\
---
title: "Release checklist: draft #3"
date: 2024-02-29
tags: [release, *anchor, &alias]
---

Release checklist
=================

Before you start, read the whole list once ... it is short.

Preparation
-----------
1. Freeze `main`
2. Tell #releases
---
3. Count the open issues: #12, #13 and #104

# Version #
## 2.0 or 1.10? ##
### It's a matter of *taste* ###

A line
over two lines is the heading
===
***
* * *
_ _ _
- - -

####### Seven signs make no heading
#hashtag neither
\\# nor this
#\x20
#

Text that is directly followed by
--
a dashed line, and
-
a single dash.

#### C# and F# #
##### `code` in a [heading](https://head.example/#frag) with $x^2$ #####
###### Last level

| Is this a table | or a heading? |
---

> Quoted heading
> ---
> and text
===

- item
---
- # heading in an item
- Setext in an item
  ---

**Bold used as a heading**

Text under it.

__Another one:__
Text right under it.

+++
draft = true
+++

The end
=
""",
    # Tasks, emoji, and characters without a width
    """\
# 🗓️ Moving-day plan 📦🚚

Great, let's go! 💪🏽 Here's your plan — tick things off as you go ✅

## 👩\u200d👩\u200d👧\u200d👦 Family

- [x] Call the movers 📞
- [ ] Label the boxes 🏷️
  - [X] kitchen 🍳 (12/12)
  - [ ] bedroom 🛏️ (3/9)
    - [ ] lamps 💡
    - [-] mirror (cancelled)
  - [] no space, no task
- [ ]
- [ ] **Hand over the keys** 🔑 _by noon_ ⏰
* [x] Pets 🐈\u200d⬛ 🐕\u200d🦺
+ [ ] Plants 🪴
1. [ ] first of all
2. [x] second, see [x] and [ ] in the text

## 🏳️\u200d🌈 Flags and people

Flags: 🇩🇪🇫🇷🇯🇵 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f 🏴\u200d☠️ · keycaps: 1️⃣ 2️⃣ #️⃣ *️⃣ · \
skin: 👋🏻👋🏼👋🏽👋🏾👋🏿 · work: 👩🏽\u200d🚀 👨\u200d🔬 🧑🏿\u200d🎨 · text or not: ☎︎ ☎️ ❤ ❤️\u200d🔥

| 😀 | Mood | 🔢 |
|:-:|---|--:|
| 😭 | packing | **100 %** |
| ¯\\_(ツ)_/¯ | waiting | ~50 % |

## Invisible ink

A zero\u200bwidth space, a word\u2060joiner, a soft\u00adhyphen, an un\ufeffexpected mark, non\u00a0breaking and \
narrow\u202fspaces. **bold\u200b**after, **\u200bbefore**, *\u200d*. Combining: e\u0301 n\u0303 Z\u0351\u036b\u0343 \
a\u0489. Maths letters 𝐛𝐨𝐥𝐝 𝒾𝓉𝒶𝓁𝒾𝒸 𝔣𝔯𝔞𝔨𝔱𝔲𝔯, full\u2003em\u2003space.

> 💡 **Tip:** drink water 💧💧💧

Good luck!! 🎉🎉🎉 (ﾉ◕ヮ◕)ﾉ*:･ﾟ✧""",
    # Plain prose and a poem
    (
        "What a lovely idea for a birthday! A plum cake needs no more than half an hour of work, and most of that is "
        "spent on stoning the plums. Begin by rubbing 125 g of cold butter into 200 g of flour with your fingertips, "
        "until it looks like breadcrumbs; then add 75 g of sugar, an egg, and a pinch of salt. Press the dough into a "
        "tin of 26 cm. It does not have to be beautiful.\n\n"
        "Halve about 1 kg of plums and set them upright, close to each other, like tiles on a roof. Sprinkle them with "
        "cinnamon & sugar - not too much, for the fruit gives juice - and bake at 180 degrees for 45 minutes. You'll "
        'know it is done when the edge is brown and the juice bubbles slowly. "Wait until it is cold," my imaginary '
        "grandmother says; nobody ever does.\n\n"
        "And since you asked for a few lines to go with it:\n\n"
        "The plums have come down from the hill,  \n"
        "The oven is warm, and the kitchen is still;\\\n"
        "    one spoon for the bowl,\\\n"
        "    and one for the cook,  \n"
        "and flour on every page of the book.\n\n"
        "Another year older? The cake does not mind.   \n"
        "It asks for a plate,\n"
        "and for friends of your kind . . .\\\n"
        "&nbsp;&nbsp;&nbsp;&nbsp;*\u2014 with love,*  \n"
        "&emsp;&emsp;M.\n\n"
        "If you want it to rhyme in another metre, or to be funnier, just say so. The cake keeps for two or three days "
        "under a cloth\u2026 in theory. Serves 8\u201310; takes ca. 1\u00bd hours.\\"
    ),
    # Configuration without a fence
    """\
You need three files. First the package itself:

{
  "name": "@acme/widgets",
  "version": "1.0.0-rc.1",
  "scripts": { "build": "tsc -p . && node ./dist/**/*.js", "test": "jest --coverage" },
  "files": ["dist/*", "!**/*.map"],
  "dependencies": {
    "left_pad_again": "^1.3.0",
    "tiny-emitter": ">=2 <3 || ~4.1"
  }
}

Then the pipeline in YAML, where indentation matters:

# .pipeline.yml
stages: [build, test]
.defaults: &defaults
  image: node:20
  retry: 2

build:
  <<: *defaults
  script:
    - npm ci
    - npm run build -- --mode=production
    - |
      echo "multi
      line" > out.txt
  rules:
    - if: $BRANCH == "main" && $TAG != null
      when: always
  env: {KEY: "${SECRET_KEY}", __DEBUG__: 'false'}
---
second: document
...

And in TOML:

[build-system]
requires = ["hatchling>=1.27"]

[tool.widgets."a.b"]
pattern = '''^\\s*(\\d+)\\s*$'''
paths = [
  "src/**/*.py",   # all of them
  "tests/*_test.py",
]

[[tool.widgets.rule]]
id = 1_000
when = 1979-05-27T07:32:00-08:00

[tool.widgets.links]: # (is this a comment?)

Put "private": true into the first if you don't want to publish. For .env it is even simpler:

API_URL=https://api.example/v1?key=$API_KEY&limit=10
EMPTY=
export PATH="$HOME/.local/bin:$PATH"

; and an INI file
[section]
key: value
""",
    # Accidents with emphasis
    """\
Rename my_old_variable_name to my_new_variable_name everywhere, but leave __init__, __all__ and _private alone; \
**do not touch *_test.py or **kwargs. The product 2*3*4 is 24, 2 * 3 * 4 as well, \
2**3**2 is 512 and a*b*c*d is up to you.

**Note:**The colon stands inside, **and: **here a space does. **This one is never closed, *nor is this, and \
`neither is the code with 5 * 5 in it.

Ticks: `one`, ``two``, ``a`b``, `` ` ``, ` `` `, ```three```, `odd``, ``odd`, ```` ` ``` ` ````. A tick ` by itself. \
Use the ` key (left of the 1), then ``` to open. Escaped: \\`no code\\`, `\\`, `a\\`b`.

*italic**bold*** and **bold*italic*** and ***both** half* and ***both* half** and *a **b *c* d** e* and \
****four**** and *****five*****. _a_b_c_ and __a__b__c__ and *a*b*c*, un*frigging*believable, un_frigging_believable.

~~gone~~, ~one~, ~~~three~~~, ~~unclosed, about ~5 to ~10 minutes, ~/.config and ~/bin, H~2~O, x^2^, ==marked==, \
++ins++.

"*Quoted*", '**quoted**', (*bracketed*), *"inside"*, **(inside)**, *,comma*, **'s**, foo**"bar"**baz, \
5*"x", $*$, \\*\\*.

* star at the start, *closed* * not
*not a list*, *really
*
not* either

_ _ and __ __ and ** ** and * * and *** *** and ______ and ****** and *_*_* and _*_*_ and **_x_** \
and __*y*__ and _**z_**

A [link with *star](https://star.example/*x*) outside*, ![*alt*](https://img.example/a_b_c.png), \
<https://x.example/*a*b*>, [**unclosed](https://y.example/__z__) and footnotes* that are marked** like this***.

*Footnote one. **Footnote two. ***Footnote three.""",
]

CORPUS = AWKWARD + ANSWERS
"""All that is not meant to do harm: fragments that are awkward by themselves, and whole answers."""
