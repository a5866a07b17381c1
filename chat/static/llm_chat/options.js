const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-menu>`: what can be done with a conversation; without a script its options link leads to a page. */
class ChatMenu extends ChatElement {
  /** @type {HTMLAnchorElement | null} */
  #link = null;

  connect() {
    this.hear(this.#sidebar, { click: (event) => this.#open(event) });
    this.hear(this, {
      click: ({ target }) => this.#choose(target.closest("[role=menuitem]")),
      keydown: (event) => this.#press(event),
      toggle: () => this.#reflect(),
    });
  }

  #open(event) {
    const link = event.target.closest("[data-conversation] > [data-action=options]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    event.preventDefault();
    if (link.ariaExpanded === "true") return; // this click has closed it
    this.#reflect();
    this.#link = link;
    this.toggleAttribute("pinned", link.parentElement.matches("[data-pinned]"));
    for (const item of this.querySelectorAll("[data-path]")) item.setAttribute("href", this.#url(item.dataset.path));
    this.showPopover();
    this.#reflect();
    this.#items[0]?.focus();
  }

  #press(event) {
    const place = this.#items.findIndex((item) => item === document.activeElement);
    const moves = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 };
    if (event.key in moves) this.#items.at(moves[event.key] % this.#items.length)?.focus();
    else if (["Escape", "Tab"].includes(event.key)) this.#close();
    else return;
    event.preventDefault(); // the sidebar stays open
  }

  #choose(item) {
    if (!item) return;
    this.#close();
    const id = this.#line?.dataset.conversation ?? "";
    const { action } = item.dataset;
    if (action === "rename") this.#line?.append(this.clone("rename", this.#sidebar));
    else if (action === "select") this.tell("chat:select", { id });
    else if (action === "delete") this.#delete(id);
    else if (action) this.#pin(id, action === "pin");
  }

  async #pin(id, pinned) {
    const { done } = await this.#command("pin/", pinned ? { pinned: "yes" } : {});
    if (done) this.tell("chat:event", { event: "pinned", id, message: "", pinned });
  }

  async #delete(id) {
    const { done, html } = await this.#command("delete/", { confirm: "yes" });
    if (done) this.tell("chat:deleted", { ids: [id], html });
  }

  // Internals

  /** Where a command fails, the page of options says why. */
  async #command(path, fields) {
    const answer = await this.post(this.#url(path), fields);
    if (!answer.done) location.assign(this.#url("options/"));
    return answer;
  }

  #close() {
    this.hidePopover();
    this.#link?.focus();
  }

  #reflect() {
    this.#link?.setAttribute("aria-expanded", String(this.matches(":popover-open")));
  }

  #url(path) {
    return this.#link?.href.replace(/options\/$/, path) ?? "";
  }

  get #line() {
    return this.#link?.closest("[data-conversation]");
  }

  get #items() {
    return [...this.querySelectorAll("[role=menuitem]")].filter((item) => item.checkVisibility());
  }

  get #sidebar() {
    return /** @type {HTMLElement} */ (this.closest("llm-chat-sidebar"));
  }
}

ChatMenu.define("llm-chat-menu");

/** `<llm-chat-rename>`: a field in the place of a title in the list. Enter and leaving it save, Escape does not. */
class ChatRename extends ChatElement {
  #before = "";
  /** Whether there is nothing to save: it is being saved, or over. */
  #settled = false;

  connect() {
    this.hear(this, {
      submit: (event) => this.#save(event),
      keydown: (event) => event.key === "Escape" && this.#leave(event),
      focusout: (event) => this.#save(event),
    });
    this.#before = this.find("a", this.#line).textContent;
    this.#field.value = this.#before;
    this.#field.select();
    this.#field.focus();
  }

  async #save(event) {
    event.preventDefault();
    if (this.#settled) return;
    this.#settled = true;
    const title = this.#field.value;
    const unchanged = { done: true, html: "" };
    const { done, html } = await (title === this.#before ? unchanged : this.post(this.#url, { title }));
    this.#settled = false;
    this.find("[role=alert]").textContent = this.fragment(html).querySelector("[role=alert]")?.textContent ?? "";
    this.#field.ariaInvalid = String(!done);
    if (!done) return;
    this.tell("chat:event", { event: "title", id: this.#line.dataset.conversation ?? "", message: "", title });
    this.#leave(event);
  }

  /** Give the focus back, unless the visitor has taken it elsewhere. */
  #leave(event) {
    event.preventDefault(); // the sidebar stays open
    const hadFocus = this.contains(document.activeElement);
    const link = this.#link;
    this.#settled = true;
    this.remove();
    if (hadFocus) link.focus();
  }

  // Internals

  get #url() {
    return this.#link.href.replace(/options\/$/, "rename/");
  }

  get #line() {
    return /** @type {HTMLElement} */ (this.parentElement);
  }

  get #link() {
    return /** @type {HTMLAnchorElement} */ (this.find("[data-action=options]", this.#line));
  }

  get #field() {
    return /** @type {HTMLInputElement} */ (this.find("input"));
  }
}

ChatRename.define("llm-chat-rename");

/** `<llm-chat-selection>`: several conversations are selected, by a click anywhere on their lines, and deleted at once. */
class ChatSelection extends ChatElement {
  /** @type {HTMLInputElement | undefined} The box that was clicked last. */
  #last;

  connect() {
    this.hear(document, { "chat:select": ({ id }) => this.#start(id) });
    this.hear(this.#nav, {
      click: (event) => this.#click(event),
      keydown: (event) => event.key === "Escape" && !event.defaultPrevented && this.#leave(event),
    });
    this.hear(this, { submit: (event) => this.#submit(event) });
  }

  #start(id) {
    this.#toggle(true);
    const box = this.#boxes.find(({ value }) => value === id) ?? this.#boxes[0];
    box.checked = Boolean(id);
    box.focus();
    this.#last = box;
    this.#count();
  }

  #click(event) {
    const { action } = event.target.closest("[data-action]")?.dataset ?? {};
    const line = event.target.closest("[data-conversation]");
    if (action === "select-several") this.#start();
    else if (action === "cancel") this.#leave(event);
    else if (line && !this.hidden) this.#pick(event, this.find("[name=id]", line));
  }

  /** With Shift, all from the last one on follow. */
  #pick(event, box) {
    if (event.target !== box) {
      event.preventDefault();
      box.checked = !box.checked;
    }
    const boxes = this.#boxes;
    const ends = [event.shiftKey ? this.#last : box, box].map((end) => boxes.findIndex((other) => other === end));
    for (const between of boxes.slice(Math.min(...ends), Math.max(...ends))) between.checked = box.checked;
    this.#last = box;
    this.#count();
  }

  #leave(event) {
    if (this.hidden) return;
    event.preventDefault(); // the sidebar stays open
    this.#toggle(false);
    this.#last?.parentElement?.querySelector("a")?.focus();
  }

  async #submit(event) {
    event.preventDefault();
    const ids = this.#checked.map((box) => box.value);
    const { done, html } = await this.post(this.#form.action, new FormData(this.#form));
    if (!done) this.#form.submit();
    this.#toggle(false);
    if (done) this.tell("chat:deleted", { ids, html });
    this.tell("chat:adrift");
  }

  // Internals

  #toggle(selecting) {
    this.#form.reset();
    this.hidden = !selecting;
    this.#nav.toggleAttribute("selecting", selecting);
  }

  #count() {
    const { dataset } = this.find("[role=status]");
    this.find("[role=status]").textContent = dataset.count?.replace("{count}", String(this.#checked.length)) ?? "";
    this.find("[type=submit]").toggleAttribute("disabled", !this.#checked.length);
  }

  get #checked() {
    return this.#boxes.filter((box) => box.checked);
  }

  /** Those of the list, or of the search that is shown in its place. */
  get #boxes() {
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (this.#nav.querySelectorAll("[name=id]"));
    return [...boxes].filter((box) => box.checkVisibility());
  }

  get #nav() {
    return /** @type {HTMLElement} */ (this.parentElement);
  }

  get #form() {
    return this.find("form");
  }
}

ChatSelection.define("llm-chat-selection");

/** `<llm-chat-undo>`: says that conversations were deleted, as long as that can be undone; after a reload, too. */
class ChatUndo extends ChatElement {
  #timer = 0;

  connect() {
    this.hear(document, {
      "chat:deleted": ({ ids, html }) => this.#take(ids, html),
      "chat:event": ({ event }) => event === "restored" && this.#show(),
    });
    this.hear(this, { submit: (event) => this.#undo(event) });
    const rendered = [...this.childNodes];
    this.replaceChildren();
    setTimeout(() => this.#show(...rendered)); // screen readers announce what comes later
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #take(ids, html) {
    for (const id of ids) this.tell("chat:event", { event: "deleted", id, message: "" });
    const shown = document.querySelector("llm-chat")?.getAttribute("conversation") ?? "";
    if (ids.includes(shown)) location.assign(this.find("llm-chat-sidebar a", document).getAttribute("href") ?? "");
    else this.#show(this.fragment(html));
  }

  /** Stand above everything else, even an open sidebar, until the time is over. */
  #show(...nodes) {
    const hadFocus = this.contains(document.activeElement);
    this.popover = "manual";
    this.hidePopover();
    this.showPopover();
    this.replaceChildren(...nodes);
    const form = this.querySelector("form");
    form?.style.setProperty("--_left", `${form.dataset.left}s`);
    clearTimeout(this.#timer);
    if (form) this.#timer = setTimeout(() => this.#show(), Number(form.dataset.left) * 1_000);
    if (hadFocus) this.tell("chat:adrift");
  }

  async #undo(event) {
    event.preventDefault();
    const form = event.target;
    const { done, html } = await this.post(form.action, new FormData(form));
    const late = this.fragment(html).querySelector("[role=alert]")?.textContent;
    if (late) this.find("p").textContent = late;
    else if (!done) form.submit();
    else if (!document.querySelector("llm-chat-connection[connected]")) location.reload(); // no event comes here
  }
}

ChatUndo.define("llm-chat-undo");
