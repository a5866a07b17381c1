const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-list>`: the lines of conversations and the tab's title, in step with any chat. */
class ChatList extends ChatElement {
  /** @type {Map<string, HTMLElement>} Lines that go to the top when nobody points at the list. */
  #moving = new Map();
  #title = document.title;
  #mark = "";

  connect() {
    this.hear(document, {
      "chat:conversation": ({ id, title }) => this.#move(id, title),
      "chat:event": (event) => this.#take(event),
      visibilitychange: () => document.hidden || this.#markTab(""),
    });
    this.hear(this, {
      pointerleave: () => this.#settle(),
      focusout: () => setTimeout(() => this.#settle()),
    });
  }

  #take({ event, id, title = "" }) {
    if (event === "run-started") this.#begin(id, title);
    else if (event === "run-ended") this.#end(id);
    else if (event === "title") this.#name(id, title);
    else if (event === "read") this.#line(id)?.removeAttribute("data-unread");
    else if (event === "deleted") this.#drop(id);
  }

  #move(id, title) {
    const line = this.#line(id) ?? this.#build(id);
    this.find("a", line).dataset.updated = String(Date.now() / 1_000);
    this.#moving.set(id, line);
    if (title) this.#name(id, title);
    this.#settle();
    return line;
  }

  #begin(id, title) {
    this.#move(id, title).toggleAttribute("data-running", true);
  }

  #end(id) {
    const line = this.#line(id);
    const shown = this.#shows(id);
    line?.removeAttribute("data-running");
    if (line) this.#move(id);
    if (shown && !document.hidden) return;
    line?.toggleAttribute("data-unread", true);
    if (shown) this.#markTab("● ");
  }

  #name(id, title) {
    const line = this.#line(id);
    if (line) this.#label(line, title);
    if (!this.#shows(id)) return;
    this.#title = title;
    this.#markTab(this.#mark);
    this.find(".llm-chat-page-main h1", document).textContent = title;
  }

  #drop(id) {
    const line = this.#line(id);
    const hadFocus = line?.contains(document.activeElement);
    line?.remove();
    this.#moving.delete(id);
    if (hadFocus) this.closest("nav")?.querySelector("a")?.focus();
    if (this.#shows(id)) this.#name(id, this.find("a", this.#template).textContent);
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
    for (const link of line.querySelectorAll("a[href]")) {
      link.setAttribute("href", (link.getAttribute("href") ?? "").replace("_id_", id)); // the template's own id
    }
    if (this.#shows(id)) line.querySelector("a")?.setAttribute("aria-current", "page");
    return line;
  }

  #label(line, title) {
    const link = this.find("a", line);
    for (const labelled of line.querySelectorAll("[aria-label]")) {
      labelled.ariaLabel = (labelled.ariaLabel ?? "").replace(link.textContent, () => title);
    }
    link.textContent = title;
  }

  #shows(id) {
    return Boolean(document.querySelector(`llm-chat[conversation="${CSS.escape(id)}"]`));
  }

  #markTab(mark) {
    this.#mark = mark;
    document.title = mark + this.#title;
  }

  get #template() {
    const template = /** @type {HTMLTemplateElement} */ (this.find("[data-template=conversation]"));
    return /** @type {HTMLElement} */ (template.content.firstElementChild);
  }
}

ChatList.define("llm-chat-list");

/** `<llm-chat-sidebar>`: search and options without leaving the page; without a script they are pages of their own. */
class ChatSidebar extends ChatElement {
  /** Milliseconds without a key before a search. */
  pause = 250;
  #timer = 0;
  #search = new AbortController();
  #pressedBeside = false;

  connect() {
    this.hear(this.#field, { input: () => this.#type(), keydown: (event) => this.#press(event) });
    this.hear(this, { click: (event) => this.#click(event) });
    this.hear(this.#dialog, {
      submit: (event) => this.#submit(event),
      close: () => this.#leave(),
      pointerdown: (event) => this.#dismiss(event),
      click: (event) => this.#dismiss(event),
      keydown: (event) => event.key === "Escape" && !event.isComposing && this.#escape(event),
    });
  }

  #type() {
    clearTimeout(this.#timer);
    this.#search.abort();
    if (this.#field.value.trim()) this.#timer = setTimeout(() => this.#find(), this.pause);
    else this.#showFound(false);
  }

  #press(event) {
    if (event.key !== "Escape" || !this.#field.value) return;
    event.preventDefault(); // the sidebar stays open
    this.#field.value = "";
    this.#type();
  }

  async #find() {
    this.#search = new AbortController();
    const { signal } = this.#search;
    const query = new URLSearchParams({ q: this.#field.value, fragment: "" });
    if ((await this.#fill("[data-found]", `${this.#field.form?.action}?${query}`, { signal })) !== 200) return;
    this.#showFound(true);
    const text = this.find("[data-found] [role=status]").textContent;
    this.#page?.dispatchEvent(new CustomEvent("chat:say", { detail: { text } }));
  }

  #click(event) {
    const link = event.target.closest("a");
    if (!link || this.#dialog.contains(link) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.matches("[data-action=options]") && this.#page) {
      event.preventDefault();
      this.#openOptions(link.href);
    } else {
      this.hidePopover();
    }
  }

  async #openOptions(url) {
    if ((await this.#fill("[data-panel]", `${url}?fragment`)) === 200) this.#dialog.showModal();
    else location.assign(url);
  }

  async #submit(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (form.method === "dialog") return;
    event.preventDefault();
    const headers = { "X-Requested-With": "llm-chat" };
    const status = await this.#fill("[data-panel]", form.action, { method: "post", body: new FormData(form), headers });
    if (status === 204) this.#dialog.close();
    else if (status !== 400) form.submit();
  }

  /** Safari lacks `closedby`. The backdrop is the dialog itself to events; selecting text may end on it. */
  #dismiss({ type, target, clientX, clientY }) {
    const { left, right, top, bottom } = this.#dialog.getBoundingClientRect();
    const isInside = clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
    if (type === "click" && this.#pressedBeside) this.#dialog.close();
    this.#pressedBeside = type !== "click" && target === this.#dialog && !isInside;
  }

  /** Safari would close the sidebar behind the dialog as well. */
  #escape(event) {
    event.preventDefault();
    this.#dialog.close();
  }

  /** The line that had the focus may be gone. */
  #leave() {
    if (document.activeElement?.matches("body, dialog *")) this.querySelector("a")?.focus();
  }

  // Internals

  /** Show what the server answers, if it is meant to be shown. Return the status, or 0 where no answer came. */
  async #fill(panel, url, options) {
    try {
      const response = await fetch(url, options);
      if (response.ok || response.status === 400) this.find(panel).innerHTML = await response.text();
      return response.status;
    } catch {
      return 0;
    }
  }

  #showFound(found) {
    this.find("[data-found]").hidden = !found;
    this.find("llm-chat-list").hidden = found;
  }

  get #page() {
    return document.querySelector("llm-chat");
  }

  get #field() {
    return /** @type {HTMLInputElement} */ (this.find("[name=q]"));
  }

  get #dialog() {
    return this.find("dialog");
  }
}

ChatSidebar.define("llm-chat-sidebar");
