const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-announcer>`: tells a screen reader what happens, at most four times per answer. */
class ChatAnnouncer extends ChatElement {
  /** Milliseconds before a reminder. */
  pause = 15_000;
  /** The length up to which an answer is read out. */
  short = 300;
  /** How often it may still speak before the answer ends; -1 without one. */
  #left = -1;
  #timer = 0;

  connect() {
    this.hear(this.chat, {
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:state": ({ streaming }) => (streaming ? this.#begin() : this.#end()),
      "chat:refused": ({ text }) => this.#alert(text || this.dataset.unsent),
      "chat:problem": ({ text, elsewhere }) => this.#alert(text, !elsewhere),
      "chat:say": ({ text }) => this.#say(text),
    });
  }

  disconnect() {
    clearTimeout(this.#timer);
  }

  #begin() {
    this.#alert("");
    this.#left = 3;
    this.#remind(this.dataset.answering);
  }

  #follow(chunk) {
    if (chunk.type === "error") this.#alert(chunk.errorText);
    if (chunk.type !== "data-status") return;
    const sentence = this.dataset[chunk.data.status];
    if (sentence) this.#remind(sentence);
    else this.#say(""); // the wait is over
  }

  // Internals

  #remind(sentence) {
    clearTimeout(this.#timer);
    if (this.#left < 1) return;
    this.#left -= 1;
    this.#say(sentence);
    this.#timer = setTimeout(() => this.#remind(this.dataset.still), this.pause);
  }

  /** Read the answer out, if it is short, and its note. */
  #end() {
    clearTimeout(this.#timer);
    if (this.#left < 0) return;
    this.#left = -1;
    const answer = [...this.chat.querySelectorAll("[data-role=assistant]")].at(-1);
    const blocks = answer?.querySelectorAll("[data-part] > [data-blocks] > *") ?? [];
    const text = Array.from(blocks, (block) => block.textContent).join("\n");
    const summary = this.dataset.long?.replace("{length}", text.length.toLocaleString(this.chat.lang));
    const notes = answer?.querySelectorAll("[data-question], [data-footer] .llm-chat-note") ?? [];
    const said = [text.length > this.short ? summary : text, ...Array.from(notes, (note) => note.textContent)];
    this.#say(said.join(" ").trim());
  }

  #say(sentence = "") {
    this.find("[role=status]").textContent = sentence;
  }

  /** Read a sentence out at once, in place of the status. An empty one takes the last back. */
  #alert(sentence, visible = false) {
    if (sentence) {
      this.#say("");
      this.#left = -1;
    }
    this.toggleAttribute("problem", Boolean(visible && sentence));
    this.find("[role=alert]").textContent = sentence;
  }
}

ChatAnnouncer.define("llm-chat-announcer");

const PLAIN = "text/plain";
const RICH = "text/html";

/** `<llm-chat-copy>`: the clipboard. */
class ChatCopy extends ChatElement {
  pause = 2_000;

  connect() {
    this.hear(this.chat, { "chat:copy": ({ button, text, article }) => this.#copy(button, text, article) });
  }

  async #copy(button, text, article) {
    const { copied = "", failed = "" } = this.dataset;
    const html = article?.matches("[data-role=assistant]") ? htmlOf(article) : "";
    if (await this.#write(text, html, button)) {
      this.tell("chat:say", { text: copied });
      this.#confirm(button, copied);
    } else {
      this.tell("chat:problem", { text: failed });
    }
  }

  // Internals

  #confirm(button, copied) {
    const { title } = button;
    if (title === copied) return;
    const icon = button.querySelector("use")?.getAttribute("href");
    relabel(button, copied, "#llm-chat-done");
    setTimeout(() => relabel(button, title, icon), this.pause);
  }

  /** The promise itself, because some browsers allow nothing later than the click. Some take plain text only. */
  async #write(text, html, button) {
    try {
      const item = { [PLAIN]: text.then((content) => new Blob([content], { type: PLAIN })) };
      if (html && ClipboardItem.supports?.(RICH) !== false) item[RICH] = new Blob([html], { type: RICH });
      await navigator.clipboard.write([new ClipboardItem(item)]);
      return true;
    } catch {
      return this.#writeWithoutTls(await text, html, button);
    }
  }

  #writeWithoutTls(text, html, button) {
    const field = document.createElement("textarea");
    field.className = "llm-chat-visually-hidden";
    field.value = text;
    field.addEventListener("copy", (event) => {
      event.preventDefault();
      event.clipboardData?.setData(PLAIN, text);
      if (html) event.clipboardData?.setData(RICH, html);
    });
    this.chat.append(field);
    field.focus({ preventScroll: true });
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    button.focus({ preventScroll: true });
    return done;
  }
}

function relabel(button, title = "", icon) {
  button.title = title;
  button.querySelector("use")?.setAttribute("href", icon);
}

/** Attributes that mean something on this page only. */
const OURS = ["class", "dir", "tabindex", "role", "aria-label", "target", "rel"];

function htmlOf(article) {
  return Array.from(article.querySelectorAll("[data-part] > [data-blocks]"), cleaned).join("");
}

function cleaned(blocks) {
  const copy = blocks.cloneNode(true);
  for (const bar of copy.querySelectorAll("[data-bar]")) bar.remove();
  for (const box of copy.querySelectorAll("input")) box.replaceWith(box.checked ? "\u2611" : "\u2610");
  for (const heading of copy.querySelectorAll("[data-level]")) {
    const own = document.createElement(`h${heading.dataset.level}`);
    own.append(...heading.childNodes);
    heading.replaceWith(own);
  }
  for (const element of copy.querySelectorAll("*")) {
    if (element.matches("div, label, llm-chat-box, span")) element.replaceWith(...element.childNodes);
    else for (const name of OURS) element.removeAttribute(name);
  }
  return copy.innerHTML;
}

ChatCopy.define("llm-chat-copy");

/** What a spreadsheet would run. Numbers and dashes begin alike. */
const FORMULA = /^(?![+-]*\p{Sc}?[\d.,\s]*[%\p{Sc}]?$)[=+@＝＋－＠-]/u;

/** `<llm-chat-box>`: code or a table, below the bar of buttons that it adds. A growing table is a new one each time. */
class ChatBox extends ChatElement {
  static #growth = new ResizeObserver((entries) => {
    for (const { target } of entries) ChatBox.#measure(target);
  });
  /** Kept, because to find them in a long conversation takes longer than to clone them. */
  static #bars = {};

  connect() {
    if (!this.chat) return;
    const scroller = this.#scroller;
    const kind = scroller.matches("pre") ? "code" : "table";
    ChatBox.#bars[kind] ??= this.clone(kind);
    if (!scroller.previousElementSibling) this.prepend(ChatBox.#bars[kind].cloneNode(true));
    for (const type of ["click", "focusin"]) this.addEventListener(type, this);
    ChatBox.#growth.observe(scroller);
  }

  disconnect() {
    ChatBox.#growth.unobserve(this.#scroller);
  }

  handleEvent(event) {
    if (event.type === "click") this.#click(event.target.closest("button"));
    else ChatBox.#measure(this.#scroller);
  }

  #click(button) {
    const content = this.#scroller.firstElementChild;
    if (button?.value === "wrap") button.ariaPressed = String(this.toggleAttribute("wrapped"));
    else if (button?.value === "download") this.#download(`${content?.textContent}\n`);
    else if (button) this.#copy(button, button.value === "csv" ? csv(content) : content?.textContent);
  }

  #copy(button, text) {
    this.tell("chat:copy", { button, text: Promise.resolve(text) });
  }

  // Internals

  #download(text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text]));
    link.download = this.dataset.file ?? "code.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** Only what is too wide can be focused, to be scrolled by keys. */
  static #measure(scroller) {
    const wide = scroller.scrollWidth > scroller.clientWidth;
    if (wide === scroller.hasAttribute("tabindex") || scroller.matches(":focus")) return;
    if (wide) scroller.tabIndex = 0;
    else scroller.removeAttribute("tabindex");
    scroller.role = wide ? "group" : null;
    scroller.ariaLabel = wide ? scroller.previousElementSibling.ariaLabel : null;
  }

  get #scroller() {
    return this.find(":scope > :last-child");
  }
}

function csv(table) {
  const lines = Array.from(table.rows, ({ cells }) => Array.from(cells, fieldOf).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function fieldOf(cell) {
  const copy = cell.cloneNode(true);
  for (const math of copy.querySelectorAll("math")) math.replaceWith(math.getAttribute("alttext"));
  for (const line of copy.querySelectorAll("br")) line.replaceWith("\n");
  const text = copy.textContent.trim().replace(FORMULA, "'$&");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

ChatBox.define("llm-chat-box");

/** `<llm-chat-actions>`: what the `[data-action]` buttons of messages do. */
class ChatActions extends ChatElement {
  /** What the last button of a tool's template stood for. */
  #called = "";
  #actions = {
    copy: (article, button) => this.#copy(article, button),
    rate: (article, button) => this.#rate(article, button),
    select: (article, button) => this.#select(article, button),
    close: (article) => this.#close(article),
    edit: (article) => this.tell("chat:edit", detailOf(article)),
    retry: (article) => this.tell("chat:retry", { ...detailOf(article), continues: false }),
    continue: (article) => this.tell("chat:retry", { ...detailOf(article), continues: true }),
    discard: (article) => this.tell("chat:discard", detailOf(article)),
  };

  connect() {
    this.hear(this.chat, {
      click: ({ target }) => this.#click(target),
      submit: (event) => this.#submit(event),
    });
  }

  #click(target) {
    const button = target.closest("[data-action]");
    const article = button?.closest("[data-message]");
    if (!article) return;
    this.tell("chat:problem", { text: "" });
    this.#actions[button.dataset.action]?.(article, button);
  }

  #submit(event) {
    if (event.target.matches("[data-comment]")) this.#comment(event);
    else if (event.target.matches("[data-calls]")) this.#decide(event);
  }

  /** A button of a tool's template. */
  #decide(event) {
    event.preventDefault();
    const [verb, value] = event.submitter.value.split(" ");
    const { failed = "", busy = "" } = this.dataset;
    const isBusy = this.chat.hasAttribute("streaming");
    if (isBusy && value === this.#called) return; // a second click
    if (isBusy || !this.online) this.tell("chat:problem", { text: isBusy ? busy : failed });
    else if (verb === "press") this.tell("chat:press", { value });
    else this.tell("chat:decide", { call: value, approved: verb === "allow" });
    this.#called = value;
  }

  /** Copy a message as Markdown, or as the page shows it where the server cannot be asked. */
  #copy(article, button) {
    const { innerText } = this.find("[data-parts]", article);
    const source = this.request({ type: "source", messageId: article.dataset.message });
    this.tell("chat:copy", { button, article, text: source.then(([{ text }]) => text).catch(() => innerText) });
  }

  /** The button that is pressed takes the rating back. */
  async #rate(article, button) {
    const before = this.#pressed(article);
    const after = button === before ? null : button;
    this.#press(article, after);
    if (!(await this.#send(article))) this.#press(article, before);
  }

  async #comment(event) {
    event.preventDefault();
    const form = event.target;
    const article = form.closest("[data-message]");
    if (!(await this.#send(article, this.find("textarea", form).value))) return;
    this.#close(article);
    this.tell("chat:say", { text: this.dataset.thanks ?? "" });
  }

  #close(article) {
    article.querySelector("[data-comment]")?.remove();
    this.#pressed(article)?.focus();
  }

  async #select(article, { value, title }) {
    const messages = await this.#ask({ type: "select", messageId: value });
    if (!messages) return;
    let shown;
    const change = () => {
      for (const data of messages) this.tell("chat:chunk", { type: "data-message", data });
      shown = this.chat.querySelector(`[data-message="${CSS.escape(value)}"]`);
      return shown;
    };
    this.tell("chat:keep", { from: article, change });
    const buttons = [...(shown?.querySelectorAll("[data-action=select]:enabled") ?? [])];
    const next = buttons.find((candidate) => candidate.title === title) ?? buttons[0];
    next?.focus({ preventScroll: true });
  }

  // Internals

  async #ask(frame) {
    try {
      return await this.request(frame);
    } catch (text) {
      this.tell("chat:problem", { text: String(text || this.dataset.failed) });
      return undefined;
    }
  }

  /** Send the rating that the page shows. */
  #send(article, comment) {
    const value = Number(this.#pressed(article)?.value ?? 0);
    return this.#ask({ type: "rate", messageId: article.dataset.message, value, comment });
  }

  #pressed(article) {
    return article.querySelector("[aria-pressed=true]");
  }

  #press(article, button) {
    for (const thumb of article.querySelectorAll("[aria-pressed]")) thumb.ariaPressed = String(thumb === button);
    article.querySelector("[data-comment]")?.remove();
    if (button) this.find("[data-footer]", article).append(this.clone("comment"));
  }
}

function detailOf(article) {
  const { message, role } = article.dataset;
  return { message, role, text: article.querySelector("[data-blocks]")?.textContent ?? "" };
}

ChatActions.define("llm-chat-actions");

/** `<llm-chat-tools role="toolbar">`: the buttons of a message, which are one tab stop. */
class ChatTools extends ChatElement {
  connect() {
    this.hear(this.chat, { "chat:state": () => this.#stop(this.querySelector(":focus")) });
    this.hear(this, {
      focusin: ({ target }) => this.#stop(target),
      keydown: (event) => this.#press(event),
    });
    customElements.whenDefined("llm-chat").then(() => this.#stop()); // until then all buttons are hidden
  }

  #stop(wanted) {
    const items = this.#focusable;
    const stop = items.includes(wanted) ? wanted : items[0];
    for (const item of this.querySelectorAll("button, summary")) item.tabIndex = item === stop ? 0 : -1;
  }

  #press(event) {
    const items = this.#focusable;
    const place = items.indexOf(event.target);
    const step = this.matches(":dir(rtl)") ? -1 : 1;
    const places = { ArrowRight: place + step, ArrowLeft: place - step, Home: 0, End: -1 };
    if (place < 0 || !(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation(); // the log would scroll
    items.at(places[event.key] % items.length)?.focus();
  }

  // Internals

  get #focusable() {
    const all = [...this.querySelectorAll("button:enabled, summary")];
    return all.filter((item) => item.checkVisibility?.({ visibilityProperty: true }) ?? true);
  }
}

ChatTools.define("llm-chat-tools");

/** `<llm-chat-speech>`: reads answers aloud. */
class ChatSpeech extends ChatElement {
  #reading;

  connect() {
    if (!("speechSynthesis" in window)) return;
    this.hear(speechSynthesis, { voiceschanged: () => this.#look() });
    this.hear(window, { pagehide: () => this.#stop() });
    this.hear(this.chat, { click: ({ target }) => this.#click(target.closest("[data-action=speak]")) });
    this.#look();
  }

  disconnect() {
    this.#stop();
  }

  #look() {
    this.toggleAttribute("voices", speechSynthesis.getVoices().length > 0);
  }

  #click(button) {
    if (!button) return;
    const isStop = button === this.#reading;
    this.#stop();
    if (!isStop) this.#read(button);
  }

  /** Read line by line, because some browsers break off in a long text. */
  #read(button) {
    this.#reading = button;
    relabel(button, this.dataset.stop, "#llm-chat-quiet");
    for (const line of this.#lines(button.closest("[data-message]"))) {
      const utterance = new SpeechSynthesisUtterance(line);
      utterance.lang = this.chat.lang;
      utterance.onend = () => button === this.#reading && !speechSynthesis.pending && this.#stop();
      speechSynthesis.speak(utterance);
    }
  }

  #stop() {
    if (!this.#reading) return;
    relabel(this.#reading, this.dataset.start, "#llm-chat-speak");
    this.#reading = undefined;
    speechSynthesis.cancel();
  }

  // Internals

  /** Without reasoning and calls, and with one word for a block of code. */
  #lines(article) {
    const copy = document.importNode(this.find("[data-parts]", article), true);
    for (const part of copy.querySelectorAll("[data-part]:not(:has(> [data-blocks]))")) part.remove();
    for (const code of copy.querySelectorAll("pre")) code.replaceWith(`${this.dataset.code}\n`);
    for (const line of copy.querySelectorAll("[data-blocks] > * > *, li, td, th")) line.append("\n");
    return copy.textContent.match(/\S.*/g) ?? [];
  }
}

ChatSpeech.define("llm-chat-speech");

const CODE_END = "</code></pre></llm-chat-box>";
const SET_BY_BOXES = ["tabindex", "role", "aria-label", "wrapped"];
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\u00a0": "&nbsp;" };

/**
 * `<llm-chat-part>`: one part of a message, which `chat:patch`es change. They count in the server's HTML of a block, which is
 * kept, not in what a browser makes of it.
 */
class ChatPart extends ChatElement {
  #sources = [];

  connect() {
    this.hear(this, { "chat:patch": (patch) => this.#patch(patch) });
  }

  #patch(patch) {
    const { keep, append, stay } = patch;
    const blocks = this.querySelector("[data-blocks]") ?? this;
    while (!stay && blocks.children.length > keep + 1) blocks.lastElementChild?.remove();
    if (append === undefined) this.#replace(blocks, keep, splice(this.#sources[keep] ?? "", patch));
    else this.#append(blocks, keep, append);
  }

  // Internals

  #replace(blocks, keep, html) {
    this.#sources[keep] = html;
    const block = blocks.children[keep] ?? blocks.appendChild(blockOf());
    const next = this.fragment(html);
    keepSelection(block, () => grow(block, next));
  }

  /** Append to the text node, where a selection stays. */
  #append(blocks, keep, text) {
    const code = blocks.children[keep]?.querySelector("code");
    if (code?.lastChild instanceof Text) code.lastChild.appendData(text);
    else code?.append(text);
    const source = this.#sources[keep];
    if (!source) return;
    const escaped = text.replace(/[&<>\u00a0]/g, (character) => ESCAPED[character]);
    this.#sources[keep] = source.slice(0, -CODE_END.length) + escaped + CODE_END;
  }
}

/** Of the old source stay what is before `from`, between the insertions of `then`, and its `tail`. */
function splice(source, { from = 0, html = "", then = [], tail = 0 }) {
  let result = source.slice(0, from) + html;
  let end = from;
  for (const [units, more] of then) {
    result += source.slice(end, end + units) + more;
    end += units;
  }
  return result + source.slice(source.length - tail);
}

function blockOf(text = "") {
  const block = document.createElement("div");
  block.className = "llm-chat-block";
  block.textContent = text;
  return block;
}

/** Asking at each change would cost a layout. */
let selecting = false;
document.addEventListener("selectionchange", () => {
  selecting = !getSelection()?.isCollapsed;
});

function keepSelection(block, change) {
  const selection = selecting ? getSelection() : null;
  if (!selection?.anchorNode || !selection.focusNode || !selection.containsNode(block, true)) {
    change();
    return;
  }
  const selected = selection.toString();
  const anchor = finderOf(block, selection.anchorNode, selection.anchorOffset);
  const focus = finderOf(block, selection.focusNode, selection.focusOffset);
  change();
  if (selection.toString() !== selected) selection.setBaseAndExtent(...anchor(), ...focus());
}

/** @returns {() => [Node, number]} It finds a place again. */
function finderOf(block, node, offset) {
  if (!block.contains(node)) return () => [node, offset];
  const before = document.createRange();
  before.setStart(block, 0);
  before.setEnd(node, offset);
  const length = before.toString().length;
  return () => {
    const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    let rest = length;
    let text;
    while ((text = texts.nextNode())) {
      if (rest <= text.length) return [text, rest];
      rest -= text.length;
    }
    return [block, block.childNodes.length];
  };
}

/** Leave equal nodes at the front alone, so that what is selected, focused or scrolled there stays. */
function grow(node, next) {
  let old = node.firstChild;
  let fresh = next.firstChild;
  if (old instanceof Element && old.matches("[data-bar]")) old = old.nextSibling; // the box's own
  while (old && fresh && (old.isEqualNode(fresh) || adapt(old, fresh))) {
    old = old.nextSibling;
    fresh = fresh.nextSibling;
  }
  while (old) {
    const following = old.nextSibling;
    old.remove();
    old = following;
  }
  while (fresh) {
    const following = fresh.nextSibling;
    node.append(fresh);
    fresh = following;
  }
}

function adapt(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    adaptText(old, fresh.data);
    return true;
  }
  if (!(old instanceof Element)) return false;
  const likeness = document.importNode(old);
  for (const name of SET_BY_BOXES) likeness.removeAttribute(name);
  if (!likeness.isEqualNode(fresh.cloneNode())) return false;
  grow(old, fresh);
  return true;
}

function adaptText(node, after) {
  const before = node.data;
  let same = after.startsWith(before) ? before.length : 0;
  while (same < before.length && before[same] === after[same]) same += 1;
  node.replaceData(same, before.length - same, after.slice(same));
}

ChatPart.define("llm-chat-part");

/** `<llm-chat-transcript>`: the articles of a conversation. */
class ChatTranscript extends ChatElement {
  static apart = 5 * 60_000;
  static waits = ["loading", "saving", "reconnecting"];

  connect() {
    this.hear(this.chat, {
      "chat:chunk": (chunk) => this.#take(chunk),
      "chat:earlier": (page) => this.#lead(page),
      "chat:edit": ({ message, text }) => this.#edit(message, text)?.focus(),
      "chat:outgoing": ({ message, text, status, error }) => this.#edit(message, text, error, status === "sending"),
      "chat:refused": ({ message, text }) => this.#refuse(message, text),
      "chat:answered": ({ code }) => code === "gone" && this.#clear(),
      "chat:state": () => this.#wait(),
      "chat:close": () => this.#wait(),
    });
    this.hear(this, { click: ({ target }) => hold(target) });
    localise(this);
    this.#setApart();
  }

  #take(chunk) {
    const { type, data } = chunk;
    if (type === "data-patch") this.#patch(data);
    else if (type === "data-message") this.#show(data);
    else if (type === "data-status") this.#wait(data.status);
    else if (type === "data-part") this.#addPart(data);
    else if (type === "data-part-end") this.#endPart(data);
    else if (type === "data-sources") this.#listSources(data);
    else if (type === "data-message-end") this.#finish(data);
    else if (type === "data-conversation") this.tell("chat:conversation", data);
  }

  /** Put a form in the place of a question, and return its field. */
  #edit(message, text, error = "", sending = false) {
    const article = this.article(message);
    if (!article) return undefined;
    const edit = article.querySelector("llm-chat-edit") ?? this.cloneElement("edit");
    const field = this.find("textarea", edit);
    field.value = text;
    this.find("[data-draft]", edit).textContent = text;
    this.find("[data-error]", edit).textContent = error;
    edit.toggleAttribute("sending", sending);
    if (!edit.isConnected) this.find("[data-parts]", article).before(edit);
    return field;
  }

  /** A message that was to be replaced stays, with the reason. */
  #refuse(message, text) {
    const article = this.article(message);
    const draft = article?.querySelector("llm-chat-edit [data-draft]")?.textContent;
    if (draft) this.#edit(message, draft, text);
    else if (article && text) this.#note(article, text);
  }

  #wait(status) {
    for (const wait of ChatTranscript.waits) this.toggleAttribute(wait, wait === status);
  }

  #clear() {
    this.replaceChildren();
    this.removeAttribute("earlier");
  }

  // Internals

  #lead({ html, more }) {
    this.prepend(this.#build(html));
    this.toggleAttribute("earlier", more);
    this.#setApart();
  }

  /** A message that comes with its place, behind another or first on the page, ends the branch. */
  #show({ id, html, after, earlier }) {
    const article = this.#build(html).firstElementChild;
    if (!article) return;
    const old = this.article(id);
    const before = this.article(after ?? "");
    if (before) before.after(article);
    else if (after !== undefined) this.prepend(article);
    else if (old) old.before(article);
    else this.append(article);
    if (old) this.#replace(old, article);
    this.#setApart();
    if (after === undefined) return;
    while (article.nextElementSibling) article.nextElementSibling.remove();
    if (after === null) this.toggleAttribute("earlier", Boolean(earlier));
  }

  #addPart({ message, part, html }) {
    const old = this.#part(message, part);
    this.#wait();
    const fresh = this.find("[data-part]", this.#build(html));
    if (old) old.before(fresh);
    else this.article(message)?.querySelector("[data-parts]")?.append(fresh);
    if (old) this.#succeed(old, fresh);
    old?.remove();
  }

  #endPart({ message, part, html }) {
    const ended = this.#part(message, part);
    ended?.querySelector("[data-heading]")?.replaceChildren(this.#build(html));
    // Reasoning folds, unless the visitor has opened it, or is reading further up.
    const fold = ended?.querySelector("details:not([data-held], :has([data-blocks] :focus))");
    if (this.closest("llm-chat-scroll[pinned]")) fold?.removeAttribute("open");
  }

  #patch(patch) {
    this.#part(patch.message, patch.part)?.dispatchEvent(new CustomEvent("chat:patch", { detail: patch }));
  }

  #listSources({ message, html }) {
    this.article(message)?.querySelector("[data-sources]")?.replaceChildren(this.#build(html));
  }

  #finish({ message, status, html }) {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    article.querySelector("[data-footer]")?.replaceChildren(this.#build(html));
  }

  #note(article, text) {
    const note = this.clone("refused");
    note.querySelector("[data-error]")?.append(text);
    article.querySelector("[data-refusal]")?.remove();
    article.querySelector("[data-footer]")?.prepend(note);
  }

  #setApart() {
    for (const article of this.querySelectorAll(":scope > [data-role=user]")) {
      const gap = timeOf(article) - timeOf(article.previousElementSibling);
      article.toggleAttribute("data-apart", !(gap < ChatTranscript.apart));
    }
  }

  #build(html) {
    return localise(this.fragment(html.trim()));
  }

  #replace(old, article) {
    for (const part of old.querySelectorAll("[data-part]")) {
      this.#succeed(part, article.querySelector(`[data-part="${part.dataset.part}"]`));
    }
    old.remove();
  }

  /** What the visitor has opened or closed stays so in the part that takes another one's place, and so does the focus. */
  #succeed(old, fresh) {
    for (const fold of old.querySelectorAll("details[data-held]")) {
      const next = twinOf(fold, old, fresh);
      next?.toggleAttribute("open", fold.open);
      next?.toggleAttribute("data-held", true);
    }
    const focused = document.activeElement;
    if (!old.contains(focused)) return;
    const next = twinOf(focused, old, fresh) ?? fresh?.querySelector("summary");
    if (next) next.focus({ preventScroll: true });
    else this.tell("chat:focus");
  }

  #part(message, part) {
    return this.article(message)?.querySelector(`[data-part="${part}"]`);
  }
}

function hold(target) {
  target.closest("summary")?.parentElement.toggleAttribute("data-held", true);
}

/** The element that is in `fresh` what another one is in `old`: that of its id or name, or at its place. */
function twinOf(element, old, fresh) {
  const { id, name, localName } = element;
  const own = name ? `[name="${CSS.escape(name)}"]` : localName;
  const selector = id ? `#${CSS.escape(id)}` : own;
  const place = [...old.querySelectorAll(selector)].indexOf(element);
  return fresh?.querySelectorAll(selector)[place];
}

function timeOf(article) {
  return Date.parse(article?.querySelector("time")?.dateTime ?? "");
}

const clock = new Intl.DateTimeFormat([], { timeStyle: "short" });
const day = new Intl.DateTimeFormat([], { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "short" });

function localise(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    time.textContent = (date.toDateString() === today ? clock : day).format(date);
    time.title = calendar.format(date);
  }
  return root;
}

ChatTranscript.define("llm-chat-transcript");

/** `<llm-chat-thinking>`: for how long a model has been thinking, and the last line of its thoughts. */
class ChatThinking extends ChatElement {
  pause = 1_000;
  #began = NaN;
  #timer = 0;

  connect() {
    const elapsed = this.getAttribute("elapsed");
    if (elapsed) this.#began ||= performance.now() - Number(elapsed) * 1_000;
    this.#timer = setInterval(() => this.#show(), this.pause);
    this.#show();
  }

  disconnect() {
    clearInterval(this.#timer);
  }

  /** Without a connection nobody knows whether the model still thinks. */
  #show() {
    if (!this.online || this.closest("[data-message]")?.dataset.status !== "running") return;
    this.find("[data-time]").textContent = Number.isNaN(this.#began) ? "" : this.#time();
    this.find("[data-peek]").textContent = this.#line();
  }

  #time() {
    const seconds = Math.floor((performance.now() - this.#began) / 1_000);
    return seconds.toLocaleString(this.chat.lang, { style: "unit", unit: "second", unitDisplay: "narrow" });
  }

  #line() {
    const blocks = this.closest("[data-part]")?.querySelector("[data-blocks]");
    const text = blocks?.lastElementChild?.textContent?.trim() ?? "";
    return text.split(/\n|[.!?؟] |。/).at(-1) ?? "";
  }
}

ChatThinking.define("llm-chat-thinking");

/** `<llm-chat-pending>`: the visitor's messages that the server does not have yet. */
class ChatPending extends ChatElement {
  connect() {
    this.hear(this.chat, {
      "chat:outgoing": (outgoing) => this.#show(outgoing),
      "chat:discard": ({ message }) => this.article(message)?.remove(),
      "chat:stored": ({ message }) => this.#set(message, "complete"),
      "chat:refused": ({ message, text }) => this.#set(message, "unsent", text),
      "chat:chunk": (chunk) => chunk.type === "data-message" && this.article(chunk.data.id)?.remove(),
    });
  }

  #show({ message, text, status, error = "", edits }) {
    if (edits) return; // the transcript shows it in the question's place
    this.append(this.article(message) ?? this.#build(message, text));
    this.#set(message, status, error);
  }

  // Internals

  #set(message, status, error = "") {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    const footer = this.find("[data-footer]", article);
    footer.replaceChildren(status === "complete" ? "" : this.clone(status));
    if (isLong(this.find("[data-blocks]", article).textContent)) footer.prepend(this.clone("fold"));
    for (const sentence of footer.querySelectorAll("[data-error]")) sentence.textContent = error;
  }

  #build(id, text) {
    const article = this.cloneElement("message");
    article.dataset.message = id;
    this.find("[data-parts]", article).append(this.clone("part"));
    this.find("[data-blocks]", article).append(blockOf(text));
    return article;
  }
}

/** Whether the server will fold it: `is_long` in html/excerpts.py. */
function isLong(text) {
  return text.length > 1_000 || text.split("\n").length > 14;
}

ChatPending.define("llm-chat-pending");
