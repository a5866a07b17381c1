const ChatElement = customElements.get("llm-chat-element");

/** Where this tab keeps the search and the place in the list from one page to the next. */
const PLACE = "llm-chat sidebar";

/** `<llm-chat-list>`: the lines of conversations and the tab's title, in step with any chat. */
class ChatList extends ChatElement {
  /** @type {Map<string, HTMLElement>} Lines that go to the top when nobody points at the list. */
  #moving = new Map();
  #title = document.title;
  #mark = "";
  /** @type {Record<string, (event: ConversationEvent) => void>} */
  #events = {
    "run-started": ({ id, title }) => this.#begin(id, title),
    "run-ended": ({ id }) => this.#end(id),
    title: ({ id, title }) => this.#name(id, title),
    pinned: ({ id, pinned }) => this.#pin(this.#line(id), pinned),
    read: ({ id }) => this.#line(id)?.removeAttribute("data-unread"),
    deleted: ({ id }) => this.#drop(id),
    restored: (event) => this.#restore(event),
  };

  connect() {
    this.hear(document, {
      "chat:conversation": ({ id, title }) => this.#move(id, title),
      "chat:event": (event) => this.#events[event.event]?.(event),
      visibilitychange: () => document.hidden || this.#markTab(""),
    });
    this.hear(this, {
      pointerleave: () => this.#settle(),
      focusout: () => setTimeout(() => this.#settle()),
    });
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
    for (const line of this.#lines(id)) this.#label(line, title);
    if (!this.#shows(id)) return;
    this.#title = title;
    this.#markTab(this.#mark);
    this.find(".llm-chat-page-main h1", document).textContent = title;
  }

  #drop(id) {
    const hadFocus = document.activeElement?.closest(`[data-conversation="${CSS.escape(id)}"]`);
    for (const line of this.#lines(id)) line.remove();
    this.#moving.delete(id);
    if (hadFocus) this.tell("chat:adrift");
    if (this.#shows(id)) this.#name(id, this.find("a", this.#template).textContent);
  }

  #pin(line, pinned = false) {
    line?.toggleAttribute("data-pinned", pinned);
    this.tell("chat:sort");
  }

  /**
   * Bring a line back to the place that it had.
   *
   * @param {ConversationEvent} event
   */
  #restore({ id, title, updated, pinned, unread = false }) {
    const line = this.#line(id) ?? this.#build(id);
    this.#moving.delete(id);
    this.#label(line, title);
    this.find("a", line).dataset.updated = String(updated);
    line.toggleAttribute("data-unread", unread);
    if (!line.isConnected) this.querySelector("ul")?.append(line);
    this.#pin(line, pinned);
    if (this.#shows(id)) this.#name(id, title);
  }

  /** A line that is pointed at stays where it is, and so do those around it. */
  #settle() {
    if (this.matches(":hover, :focus-within, [selecting] > *")) return;
    for (const line of this.#moving.values()) {
      this.find(line.matches("[data-pinned]") ? "[data-day=pinned] ul" : "[data-day=today] ul").prepend(line);
    }
    this.#moving.clear();
  }

  // Internals

  #line(id) {
    return this.querySelector(`[data-conversation="${CSS.escape(id)}"]`) ?? this.#moving.get(id);
  }

  /** The lines of a conversation: that of the list, and that of a search. */
  #lines(id) {
    const lines = document.querySelectorAll(`llm-chat-sidebar [data-conversation="${CSS.escape(id)}"]`);
    const moving = this.#moving.get(id);
    return new Set(moving ? [...lines, moving] : lines);
  }

  #build(id) {
    const line = document.importNode(this.#template, true);
    line.dataset.conversation = id;
    /** @type {HTMLInputElement} */ (this.find("[name=id]", line)).value = id;
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

/** `<llm-chat-sidebar>`: search without leaving the page; without a script it is a page of its own. */
class ChatSidebar extends ChatElement {
  /** Milliseconds without a key before a search. */
  pause = 250;
  #timer = 0;
  #search = new AbortController();

  connect() {
    this.hear(this.#field, { input: () => this.#type(), keydown: (event) => this.#press(event) });
    this.hear(this, { click: (event) => this.#click(event), toggle: () => this.#seek() });
    this.hear(document, { "chat:adrift": () => this.#focus() });
    this.hear(window, { pagehide: () => this.#keep() });
    this.#comeBack();
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
    const query = new URLSearchParams({ q: this.#field.value, fragment: "" });
    const found = this.find("[data-found]");
    try {
      const response = await fetch(`${this.#field.form?.action}?${query}`, { signal: this.#search.signal });
      if (!response.ok) return;
      found.replaceChildren(this.fragment(await response.text()));
    } catch {
      return;
    }
    this.#showFound(true);
    const text = this.find("[role=status]", found).textContent;
    document.querySelector("llm-chat")?.dispatchEvent(new CustomEvent("chat:say", { detail: { text } }));
  }

  /** A result keeps the search; any other link ends it. */
  #click(event) {
    const link = event.target.closest("a:not([role], [data-action])");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!this.find("[data-found]").contains(link)) this.#field.value = "";
    this.hidePopover();
  }

  /** What had the focus is gone, or hidden: give it to something that is there. */
  #focus() {
    const focused = document.activeElement;
    if (focused !== document.body && focused?.checkVisibility()) return;
    const places = [...this.querySelectorAll("a"), document.querySelector("[popovertarget=llm-chat-sidebar]")];
    /** @type {HTMLElement | null | undefined} */ (places.find((place) => place?.checkVisibility()))?.focus();
  }

  #keep() {
    attempt(() => sessionStorage.setItem(PLACE, JSON.stringify([this.#field.value, this.scrollTop])));
  }

  async #comeBack() {
    const [query, top] = attempt(() => JSON.parse(sessionStorage.getItem(PLACE) ?? "")) ?? [];
    if (query && !this.#field.value) {
      this.#field.value = query;
      await this.#find();
    }
    this.scrollTop = top ?? 0;
    this.#seek();
  }

  // Internals

  /** Bring the current line into view. */
  #seek() {
    this.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  #showFound(found) {
    this.find("[data-found]").hidden = !found;
    this.find("llm-chat-list").hidden = found;
  }

  get #field() {
    return /** @type {HTMLInputElement} */ (this.find("[name=q]"));
  }
}

function attempt(act) {
  try {
    return act();
  } catch {
    return undefined; // the storage is empty, full, or closed to this site
  }
}

ChatSidebar.define("llm-chat-sidebar");
