/* Notes what a page complains of, where the test can read it: not every browser's driver tells. */

const note = (text) => localStorage.setItem("watched", `${localStorage.getItem("watched") ?? ""}${text}\n`);

addEventListener("error", ({ message, target }) => note(`error: ${message ?? target.outerHTML}`), true);
addEventListener("unhandledrejection", ({ reason }) => note(`error: ${reason}`));
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  note(`policy: ${violatedDirective} ${blockedURI}`);
});

for (const level of ["error", "warn"]) {
  const say = console[level];
  console[level] = (...words) => {
    note(`${level}: ${words.join(" ")}`);
    say(...words);
  };
}
