const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-days>`: sorts the lines by the days of the visitor's time zone; the server knows only its own. */
class ChatDays extends ChatElement {
  #today = 0;
  #timer = 0;

  connect() {
    this.hear(document, { visibilitychange: () => document.hidden || this.#update() });
    this.hear(this.#list, {
      "chat:sort": () => this.#sort(),
      pointerleave: () => this.#update(),
      focusout: () => setTimeout(() => this.#update()),
    });
    this.#sort();
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  /** A line that is pointed at stays where it is. */
  #update() {
    if (this.#today !== midnight() && !this.#list.matches(":hover, :focus-within")) this.#sort();
  }

  #sort() {
    this.#today = midnight();
    let last = this.#section("today");
    const focused = document.activeElement;
    for (const [key, lines] of this.#linesByDay()) {
      const section = this.#section(key) ?? this.#build(key, timeOf(lines[0]));
      if (!section.isConnected) last?.after(section);
      const list = this.find("ul", section);
      if (lines.some((line, place) => line !== list.children[place])) list.append(...lines);
      if (key !== "pinned") last = section;
    }
    if (focused !== document.activeElement) focused?.focus({ preventScroll: true }); // its line has moved
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#update(), midnight(1) - Date.now());
  }

  #linesByDay() {
    const lines = [...this.#list.querySelectorAll("li:has([data-updated])")];
    lines.sort((one, other) => timeOf(other) - timeOf(one));
    return Map.groupBy(lines, (line) => (line.matches("[data-pinned]") ? "pinned" : this.#keyOf(timeOf(line))));
  }

  #keyOf(time) {
    const date = new Date(time);
    const days = Math.round((this.#today - midnight(0, time)) / 86_400_000); // one of them may have 23 hours
    if (days < 1) return "today";
    if (days < 2) return "yesterday";
    if (days < 8) return "week";
    return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
  }

  #build(key, time) {
    const section = document.importNode(this.find("template").content.firstElementChild, true);
    section.dataset.day = key;
    this.find("h2", section).textContent = this.dataset[key] ?? monthOf(new Date(time), this.closest("[lang]")?.lang);
    return section;
  }

  #section(key) {
    return this.#list.querySelector(`[data-day="${key}"]`);
  }

  get #list() {
    return this.parentElement;
  }
}

/** Return when a day begins. */
function midnight(later = 0, time = Date.now()) {
  return new Date(time).setHours(24 * later, 0, 0, 0);
}

function timeOf(line) {
  return Number(line.querySelector("[data-updated]")?.dataset.updated) * 1_000;
}

function monthOf(date, language) {
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(language || [], { month: "long", year });
}

ChatDays.define("llm-chat-days");

const PLACE = "llm-chat sidebar";

/** `<llm-chat-list>`: the lines of conversations and the tab's title, in step with any chat. */
class ChatList extends ChatElement {
  /** Lines that go to the top when nobody points at the list. */
  #moving = new Map();
  /** Whether one of them has a time of its own, which need not be the newest. */
  #late = false;
  #title = document.title;
  #mark = "";
  #events = {
    "run-started": ({ id, title, updated }) => this.#begin(id, title, updated),
    "run-ended": ({ id, waiting, updated }) => this.#end(id, waiting, updated),
    title: ({ id, title }) => this.#name(id, title),
    pinned: ({ id, pinned }) => this.#pin(this.#line(id), pinned),
    read: ({ id }) => this.#line(id)?.removeAttribute("data-unread"),
    deleted: ({ id }) => this.#drop(id),
    restored: (event) => this.#restore(event),
    moved: ({ id, to }) => this.#rename(id, to),
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

  /** @param {number} [updated] where something has happened some time ago, in seconds since 1970 */
  #move(id, title, updated) {
    const line = this.#line(id) ?? this.#build(id);
    this.find("a", line).dataset.updated = String(updated ?? Date.now() / 1_000);
    this.#moving.set(id, line);
    this.#late ||= updated !== undefined;
    if (title) this.#name(id, title);
    this.#settle();
    return line;
  }

  #begin(id, title, updated) {
    const line = this.#move(id, title, updated);
    line.toggleAttribute("data-running", true);
    line.removeAttribute("data-waiting");
  }

  #end(id, waiting = false, updated) {
    const line = this.#line(id);
    const shown = this.#shows(id);
    line?.removeAttribute("data-running");
    line?.toggleAttribute("data-waiting", waiting);
    if (line) this.#move(id, "", updated);
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

  #rename(id, to) {
    for (const line of this.#lines(id)) {
      line.dataset.conversation = to;
      for (const box of line.querySelectorAll("[name=id]")) box.value = to;
      for (const link of line.querySelectorAll("a[href]")) {
        link.setAttribute("href", link.getAttribute("href")?.replace(`/${id}/`, `/${to}/`) ?? "");
      }
    }
  }

  #pin(line, pinned = false) {
    line?.toggleAttribute("data-pinned", pinned);
    this.tell("chat:sort");
  }

  #restore({ id, title, updated, pinned, unread = false, waiting = false }) {
    const line = this.#line(id) ?? this.#build(id);
    this.#moving.delete(id);
    this.#label(line, title);
    this.find("a", line).dataset.updated = String(updated);
    line.toggleAttribute("data-unread", unread);
    line.toggleAttribute("data-waiting", waiting);
    if (!line.isConnected) this.querySelector("ul")?.append(line);
    this.#pin(line, pinned);
    if (this.#shows(id)) this.#name(id, title);
  }

  /** A line that is pointed at stays where it is. */
  #settle() {
    if (this.matches(":hover, :focus-within, [selecting] > *")) return;
    for (const line of this.#moving.values()) {
      this.find(`[data-day=${line.matches("[data-pinned]") ? "pinned" : "today"}] ul`).prepend(line);
    }
    this.#moving.clear();
    if (this.#late) this.tell("chat:sort");
    this.#late = false;
  }

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
    this.find("[name=id]", line).value = id;
    for (const link of line.querySelectorAll("a[href]")) {
      link.setAttribute("href", link.getAttribute("href")?.replace("_id_", id) ?? ""); // the template's own id
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
    return this.find("[data-template=conversation]").content.firstElementChild;
  }
}

ChatList.define("llm-chat-list");

/** `<llm-chat-sidebar>`: search without leaving the page. */
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

  #focus() {
    const focused = document.activeElement;
    if (focused !== document.body && focused?.checkVisibility()) return;
    const places = [...this.querySelectorAll("a"), document.querySelector("[popovertarget=llm-chat-sidebar]")];
    places.find((place) => place?.checkVisibility())?.focus();
  }

  #keep() {
    this.attempt(() => sessionStorage.setItem(PLACE, JSON.stringify([this.#field.value, this.scrollTop])));
  }

  async #comeBack() {
    const [query, top] = this.attempt(() => [...JSON.parse(sessionStorage.getItem(PLACE) ?? "")]) ?? [];
    if (query && !this.#field.value) {
      this.#field.value = query;
      await this.#find();
    }
    this.scrollTop = top ?? 0;
    this.#seek();
  }

  #seek() {
    this.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  #showFound(found) {
    this.find("[data-found]").hidden = !found;
    this.find("llm-chat-list").hidden = found;
  }

  get #field() {
    return this.find("[name=q]");
  }
}

/** Show a sentence in the chat; return whether there is one. */
function report(text) {
  return document.querySelector("llm-chat")?.dispatchEvent(new CustomEvent("chat:problem", { detail: { text } }));
}

/** Say that a post without an answer needs a connection, instead of leaving the page for the browser's own error. */
function isUnreachable({ html }) {
  return !html && report(document.querySelector("llm-chat-actions")?.dataset.failed ?? "");
}

ChatSidebar.define("llm-chat-sidebar");

/** `<llm-chat-menu>`: what can be done with a conversation. */
class ChatMenu extends ChatElement {
  #link;

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
    const place = this.#items.findIndex((item) => item.matches(":focus"));
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

  /** Where a command is refused, the page of options says why. */
  async #command(path, fields) {
    const answer = await this.post(this.#url(path), fields);
    if (!answer.done && !isUnreachable(answer)) location.assign(this.#url("options/"));
    return answer;
  }

  #close() {
    this.hidePopover();
    this.#reflect(); // before its "toggle" event, which comes after a key that is pressed at once
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
    return this.closest("llm-chat-sidebar");
  }
}

ChatMenu.define("llm-chat-menu");

/** `<llm-chat-rename>`: a field in the place of a title. Enter and leaving it save, Escape does not. */
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
    const title = this.wellFormed(this.#field.value);
    const unchanged = { done: true, html: "" };
    const answer = await (title === this.#before ? unchanged : this.post(this.#url, { title }));
    const { done, html } = answer;
    this.#settled = false;
    if (!done) isUnreachable(answer);
    this.find("[role=alert]").textContent = this.fragment(html).querySelector("[role=alert]")?.textContent ?? "";
    this.#field.ariaInvalid = done ? null : "true";
    if (!done) return;
    this.tell("chat:event", { event: "title", id: this.#line.dataset.conversation ?? "", message: "", title });
    this.#leave(event);
  }

  #leave(event) {
    event.preventDefault(); // the sidebar stays open
    const hadFocus = this.contains(document.activeElement);
    const link = this.#link;
    this.#settled = true;
    this.remove();
    if (hadFocus) link.focus();
  }

  get #url() {
    return this.#link.href.replace(/options\/$/, "rename/");
  }

  get #line() {
    return this.parentElement;
  }

  get #link() {
    return this.find("[data-action=options]", this.#line);
  }

  get #field() {
    return this.find("input");
  }
}

ChatRename.define("llm-chat-rename");

/** `<llm-chat-selection>`: several conversations are selected by clicks on their lines, and deleted at once. */
class ChatSelection extends ChatElement {
  /** The box that was clicked last. */
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
    const ends = [event.shiftKey ? this.#last : box, box].map((end) => boxes.indexOf(end));
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
    const answer = await this.post(this.#form.action, new FormData(this.#form));
    const { done, html } = answer;
    if (!done && isUnreachable(answer)) return;
    if (!done) this.#form.submit();
    this.#toggle(false);
    if (done) this.tell("chat:deleted", { ids, html });
    this.tell("chat:adrift");
  }

  #toggle(selecting) {
    this.#form.reset();
    this.hidden = !selecting;
    this.#nav.toggleAttribute("selecting", selecting);
  }

  #count() {
    const { length } = this.#checked;
    const status = this.find("[role=status]");
    status.textContent = status.dataset.count?.replace("{count}", String(length)) ?? "";
    this.find("[type=submit]").toggleAttribute("disabled", !length);
  }

  get #checked() {
    return this.#boxes.filter((box) => box.checked);
  }

  get #boxes() {
    return [...this.#nav.querySelectorAll("[name=id]")].filter((box) => box.checkVisibility());
  }

  get #nav() {
    return this.parentElement;
  }

  get #form() {
    return this.find("form");
  }
}

ChatSelection.define("llm-chat-selection");

/** `<llm-chat-undo>`: says that conversations were deleted, as long as that can be undone. */
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

  /** Stand above everything else, even an open sidebar. */
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
    const answer = await this.post(form.action, new FormData(form));
    const { done, html } = answer;
    const late = this.fragment(html).querySelector("[role=alert]")?.textContent;
    if (late && form.isConnected) this.find("p", form).textContent = late;
    else if (late) report(late);
    else if (!done && !isUnreachable(answer)) form.submit();
    else if (!document.querySelector("llm-chat-connection[connected]")) location.reload(); // no event comes here
  }
}

ChatUndo.define("llm-chat-undo");
