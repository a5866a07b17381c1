const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-sidebar>`: search and options without leaving the page. Without a script, or where the server answers something
 * else, its form and its links lead to pages of their own.
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
    else this.#turn(false);
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
    const { signal } = this.#search;
    if ((await this.#fill("[data-found]", `${this.#field.form.action}?${query}`, { signal })) !== 200) return;
    this.#turn(true);
    const text = this.querySelector("[data-found] [role=status]").textContent;
    this.#page?.dispatchEvent(new CustomEvent("chat:say", { detail: { text } }));
  }

  async #click(event) {
    const link = event.target.closest("a");
    if (!link || this.#dialog.contains(link) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!link.matches("[data-action=options]") || !this.#page) return this.hidePopover();
    event.preventDefault();
    if ((await this.#fill("[data-panel]", `${link.href}?fragment`)) === 200) this.#dialog.showModal();
    else location.assign(link.href);
  }

  async #submit(event) {
    const form = event.target;
    if (form.method === "dialog") return;
    event.preventDefault();
    const headers = { "X-Requested-With": "llm-chat" };
    const status = await this.#fill("[data-panel]", form.action, { method: "post", body: new FormData(form), headers });
    if (status === 204) this.#dialog.close();
    else if (status !== 400) form.submit();
  }

  /** The line that had the focus may be gone. */
  #leave() {
    if (document.activeElement.matches("body, dialog *")) this.querySelector("a").focus();
  }

  // Internals

  /** Show what the server answers, if it is meant to be shown. */
  async #fill(panel, url, options) {
    try {
      const response = await fetch(url, options);
      if (response.ok || response.status === 400) this.querySelector(panel).innerHTML = await response.text();
      return response.status;
    } catch {
      return 0; // nothing came, or nobody waits for it
    }
  }

  #turn(found) {
    this.querySelector("[data-found]").hidden = !found;
    this.querySelector("llm-chat-list").hidden = found;
  }

  /** The chat, which hears what becomes of conversations. */
  get #page() {
    return document.querySelector("llm-chat");
  }

  get #field() {
    return this.querySelector("[name=q]");
  }

  get #dialog() {
    return this.querySelector("dialog");
  }
}

ChatSidebar.define("llm-chat-sidebar");
