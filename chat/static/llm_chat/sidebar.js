const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-list>`: the lines of conversations and the tab's title, in step with any chat. A new line is a clone of the
 * template, whose addresses have `_id_` in the id's place.
 */
class ChatList extends ChatElement {
  #events = {
    "run-started": (id, title) => this.#move(id, title).toggleAttribute("data-running", true),
    "run-ended": (id) => this.#end(id),
    title: (id, title) => this.#name(id, title),
    read: (id) => this.#line(id)?.removeAttribute("data-unread"),
    deleted: (id) => this.#drop(id),
  };
  /** Lines that go to the top when nobody points there. */
  #moving = new Map();
  #title = document.title;
  #mark = "";

  start() {
    this.hear(document, {
      "chat:conversation": ({ id, title }) => this.#move(id, title),
      "chat:event": ({ event, id, title }) => this.#events[event]?.(id, title),
      visibilitychange: () => document.hidden || this.#entitle(""),
    });
    this.hear(this, { pointerleave: () => this.#settle(), focusout: () => setTimeout(() => this.#settle()) });
  }

  /** Something happens there. */
  #move(id, title = "") {
    const line = this.#line(id) ?? this.#build(id);
    line.querySelector("a").dataset.updated = Date.now() / 1_000;
    this.#moving.set(id, line);
    if (title) this.#name(id, title);
    this.#settle();
    return line;
  }

  #end(id) {
    const [line, shown] = [this.#line(id), this.#shown(id)];
    line?.removeAttribute("data-running");
    if (line) this.#move(id);
    if (shown && !document.hidden) return;
    line?.toggleAttribute("data-unread", true);
    if (shown) this.#entitle("● ");
  }

  #name(id, title) {
    const line = this.#line(id);
    const link = line?.querySelector("a");
    for (const labelled of line?.querySelectorAll("[aria-label]") ?? []) {
      labelled.ariaLabel = labelled.ariaLabel.replace(link.textContent, () => title);
    }
    if (link) link.textContent = title;
    if (!this.#shown(id)) return;
    this.#title = title;
    this.#entitle();
    document.querySelector(".llm-chat-page-main h1").textContent = title;
  }

  #drop(id) {
    const line = this.#line(id);
    const held = line?.contains(document.activeElement);
    line?.remove();
    this.#moving.delete(id);
    if (held) this.closest("nav")?.querySelector("a")?.focus();
    if (this.#shown(id)) this.#name(id, this.#template.querySelector("a").textContent);
  }

  /** A line that is pointed at stays where it is, and so do those around it. */
  #settle() {
    if (this.matches(":hover, :focus-within")) return;
    for (const line of this.#moving.values()) this.querySelector("ul")?.prepend(line);
    this.#moving.clear();
  }

  // Internals

  #line(id) {
    return this.querySelector(`[data-conversation="${CSS.escape(id)}"]`) ?? this.#moving.get(id);
  }

  #build(id) {
    const line = document.importNode(this.#template, true);
    line.dataset.conversation = id;
    // The server has put "_id_" in the id's place.
    for (const link of line.querySelectorAll("a"))
      link.setAttribute("href", link.getAttribute("href").replace("_id_", id));
    if (this.#shown(id)) line.querySelector("a")?.setAttribute("aria-current", "page");
    return line;
  }

  #shown(id) {
    return document.querySelector(`llm-chat[conversation="${CSS.escape(id)}"]`);
  }

  #entitle(mark = this.#mark) {
    this.#mark = mark;
    document.title = mark + this.#title;
  }

  get #template() {
    return this.querySelector("[data-template=conversation]").content.firstElementChild;
  }
}

ChatList.define("llm-chat-list");

/**
 * `<llm-chat-sidebar>`: search and options without leaving the page. Without a script, or the answer that is expected, they are
 * pages of their own. Out: `chat:say` {text} on the chat.
 */
class ChatSidebar extends ChatElement {
  /** Milliseconds without a key before a search. */
  pause = 250;
  #clock = 0;
  #search = new AbortController();

  start() {
    this.hear(this.#field, { input: () => this.#type(), keydown: (event) => this.#press(event) });
    this.hear(this, { click: (event) => this.#click(event) });
    this.hear(this.#dialog, { submit: (event) => this.#submit(event), close: () => this.#leave() });
  }

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

  /** Show what the server answers, if it is meant to be shown. @returns the status */
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
