const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-sidebar>`: search and options without leaving the page. Where no script runs, or the server answers something
 * else, its form and its links lead to pages of their own. Out: `chat:say` {text} on the chat.
 */
class ChatSidebar extends ChatElement {
  /** Milliseconds without a key before a search. */
  pause = 250;
  #clock = 0;
  #search = new AbortController();

  // Life cycle

  start() {
    this.hear(this.#field, { input: () => this.#type(), keydown: (event) => this.#press(event) });
    this.hear(this, { click: (event) => this.#click(event) });
    this.hear(this.#dialog, { submit: (event) => this.#submit(event), close: () => this.#leave() });
  }

  // Actions

  #type() {
    clearTimeout(this.#clock);
    this.#search.abort();
    if (this.#field.value.trim()) this.#clock = setTimeout(() => this.#find(), this.pause);
    else this.#show("");
  }

  #press(event) {
    if (event.key !== "Escape" || !this.#field.value) return;
    event.preventDefault(); // the sidebar stays
    this.#field.value = "";
    this.#type();
  }

  async #find() {
    this.#search = new AbortController();
    const query = new URLSearchParams({ q: this.#field.value, fragment: "" });
    const response = await fetched(`${this.#field.form.action}?${query}`, { signal: this.#search.signal });
    if (response?.ok) this.#show(await response.text());
  }

  async #click(event) {
    const link = event.target.closest("a");
    if (!link || this.#dialog.contains(link) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!link.matches("[data-action=options]") || !this.#page) return this.hidePopover();
    event.preventDefault();
    const response = await fetched(`${link.href}?fragment`);
    if (!response?.ok) return location.assign(link.href);
    this.#panel.innerHTML = await response.text();
    this.#dialog.showModal();
  }

  async #submit(event) {
    const form = event.target;
    if (form.method === "dialog") return;
    event.preventDefault();
    const headers = { "X-Requested-With": "llm-chat" };
    const response = await fetched(form.action, { method: "post", body: new FormData(form), headers });
    if (response?.status === 204) this.#dialog.close();
    else if (response?.status === 400) this.#panel.innerHTML = await response.text();
    else form.submit();
  }

  /** The line that had the focus may be gone. */
  #leave() {
    if (document.activeElement.matches("body, dialog *")) this.querySelector("a").focus();
  }

  // Internals

  /** @param {string} html what was found, if anything was looked for */
  #show(html) {
    const [found, days] = ["[data-found]", "llm-chat-list"].map((part) => this.querySelector(part));
    found.innerHTML = html;
    found.hidden = !html;
    days.hidden = Boolean(html);
    const text = found.querySelector("[role=status]")?.textContent;
    if (text) this.#page?.dispatchEvent(new CustomEvent("chat:say", { detail: { text } }));
  }

  /** The chat on the page, which hears what becomes of conversations. */
  get #page() {
    return document.querySelector("llm-chat");
  }

  get #field() {
    return this.querySelector("[name=q]");
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  get #panel() {
    return this.querySelector("[data-panel]");
  }
}

/** Nothing where no answer came. */
function fetched(url, options) {
  return fetch(url, options).catch(() => undefined);
}

ChatSidebar.define("llm-chat-sidebar");
