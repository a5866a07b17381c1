const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-transcript>`: the articles of a conversation, as the server renders them. */
class ChatTranscript extends ChatElement {
  /** What an answer waits for, as attributes. */
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
    localise(this);
    this.#setApart();
  }

  #take(chunk) {
    if (chunk.type === "data-patch") this.#patch(chunk.data);
    else if (chunk.type === "data-message") this.#show(chunk.data);
    else if (chunk.type === "data-status") this.#wait(chunk.data.status);
    else if (chunk.type === "data-part") this.#addPart(chunk.data);
    else if (chunk.type === "data-part-end") this.#endPart(chunk.data);
    else if (chunk.type === "data-message-end") this.#finish(chunk.data);
    else if (chunk.type === "data-conversation") this.tell("chat:conversation", chunk.data);
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
    old?.remove();
    this.#setApart();
    if (after === undefined) return;
    while (article.nextElementSibling) article.nextElementSibling.remove();
    if (after === null) this.toggleAttribute("earlier", Boolean(earlier));
  }

  #addPart({ message, part, html }) {
    const old = this.#part(message, part);
    this.#wait();
    if (old) old.replaceWith(this.#build(html));
    else this.article(message)?.querySelector("[data-parts]")?.append(this.#build(html));
  }

  /** Tell how long it took. */
  #endPart({ message, part, html }) {
    this.#part(message, part)?.querySelector("[data-heading]")?.replaceChildren(this.#build(html));
  }

  #patch(patch) {
    this.#part(patch.message, patch.part)?.dispatchEvent(new CustomEvent("chat:patch", { detail: patch }));
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

  /** Mark the questions that come minutes after what is above them: their times are shown. */
  #setApart() {
    for (const article of this.querySelectorAll(":scope > [data-role=user]")) {
      const gap = timeOf(article) - timeOf(article.previousElementSibling);
      article.toggleAttribute("data-apart", !(gap < ChatTranscript.apart));
    }
  }

  #build(html) {
    return localise(this.fragment(html.trim()));
  }

  #part(message, part) {
    return this.article(message)?.querySelector(`[data-part="${CSS.escape(String(part))}"]`);
  }
}

/** @returns {number} When a message was made; `NaN` if there is none, or it is being made. */
function timeOf(article) {
  return Date.parse(article?.querySelector("time")?.dateTime ?? "");
}

const clock = new Intl.DateTimeFormat([], { timeStyle: "short" });
const day = new Intl.DateTimeFormat([], { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "short" });

/** Show times by the visitor's own clock. */
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

/** `<llm-chat-thinking>`: for how long a model has been thinking, and the last line of its thoughts, once a second. */
class ChatThinking extends ChatElement {
  pause = 1_000;
  /** When it began, by this page's clock, if the server knows. */
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

  /** Return the sentence that is being written. */
  #line() {
    const blocks = this.closest("[data-part]")?.querySelector("[data-blocks]");
    const text = blocks?.lastElementChild?.textContent?.trim() ?? "";
    return text.split(/\n|[.!?؟] |。/).at(-1) ?? "";
  }
}

ChatThinking.define("llm-chat-thinking");
