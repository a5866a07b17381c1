/* The theme of this device, which the menu chooses. A classic script, because a module would run after the first paint. */
{
  const name = "llm-chat-theme";

  const show = (theme) => {
    document.documentElement.style.colorScheme = theme;
    for (const meta of document.querySelectorAll("meta[data-theme]")) {
      const { theme: own = "" } = meta.dataset;
      const media = { "": `(prefers-color-scheme: ${own})`, [own]: "all" };
      meta.setAttribute("media", media[theme] ?? "not all");
    }
    for (const choice of document.querySelectorAll(`input[name=${name}]`)) {
      choice.checked = choice.value === theme;
      choice.closest("fieldset")?.removeAttribute("hidden");
    }
  };

  const apply = () => {
    try {
      show(localStorage.getItem(name) ?? "");
    } catch {
      // The browser keeps nothing.
    }
  };

  const keep = ({ target }) => {
    if (target.name !== name) return;
    localStorage.setItem(name, target.value);
    apply();
  };

  addEventListener("change", keep);
  addEventListener("storage", apply);
  addEventListener("DOMContentLoaded", apply);
  apply();
}
