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

  // Life cycle

  start() {
    this.hear(document, {
      "chat:conversation": ({ id, title }) => this.#move(id, title),
      "chat:event": ({ event, id, title }) => this.#events[event]?.(id, title),
      visibilitychange: () => document.hidden || this.#entitle(),
    });
    this.hear(this, { pointerleave: () => this.#settle(), focusout: () => setTimeout(() => this.#settle()) });
  }

  // Actions

  /** Something happens there. */
  #move(id, title = "") {
    const line = this.#line(id) ?? this.#build(id);
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
    document.querySelector(".chat-page-main h1").textContent = title;
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
    for (const link of line.querySelectorAll("a")) link.setAttribute("href", link.getAttribute("href").replace("_id_", id));
    if (this.#shown(id)) line.querySelector("a")?.setAttribute("aria-current", "page");
    return line;
  }

  #shown(id) {
    return document.querySelector(`llm-chat[conversation="${CSS.escape(id)}"]`);
  }

  #entitle(mark = "") {
    document.title = mark + this.#title;
  }

  get #template() {
    return this.querySelector("[data-template=conversation]").content.firstElementChild;
  }
}

ChatList.define("llm-chat-list");
