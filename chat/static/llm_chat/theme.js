/*
 * Applies the theme that this device keeps, before the first paint: a classic script in the head, because modules run too late.
 * Without one, the page follows the system. Another tab, or the menu, announces a change as a storage event.
 */
{
  const apply = () => {
    let theme = "";
    try {
      theme = localStorage.getItem("llm-chat-theme") ?? "";
    } catch {
      // The browser refuses storage.
    }
    document.documentElement.style.colorScheme = theme;
    for (const meta of document.querySelectorAll("meta[data-theme]")) {
      const own = meta.getAttribute("data-theme");
      const forced = theme === own ? "all" : "not all";
      meta.setAttribute("media", theme ? forced : `(prefers-color-scheme: ${own})`);
    }
  };

  addEventListener("storage", apply);
  apply();
}
