const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-transcript>`: the articles of a conversation, as the server makes them. */
class ChatTranscript extends ChatElement {
  static waits = ["loading", "saving", "reconnecting"];

  #chunks = {
    "data-message": (data) => this.#show(data),
    "data-status": ({ status }) => this.#wait(status),
    "data-part": (data) => this.#addPart(data),
    "data-patch": (data) => this.#part(data)?.dispatchEvent(new CustomEvent("chat:patch", { detail: data })),
    "data-message-end": (data) => this.#finish(data),
    "data-conversation": (data) => this.tell("chat:conversation", data),
  };

  start() {
    this.hear(this.chat, {
      "chat:chunk": ({ type, data }) => this.#chunks[type]?.(data),
      "chat:earlier": (page) => this.#lead(page),
      "chat:edit": (question) => this.#edit(question)?.focus(),
      "chat:sending": (sent) => this.#edit(sent, true),
      "chat:unsent": (unsent) => this.#edit(unsent),
      "chat:refused": (refused) => this.#refuse(refused),
      "chat:gone": () => this.#lead({ html: "" }, this.replaceChildren()),
      "chat:state": () => this.#wait(),
      "chat:close": () => this.#wait(),
    });
    localise(this);
  }

  #edit({ message, text, error = "" }, sending = false) {
    const article = this.article(message);
    if (!article) return;
    const edit = article.querySelector("llm-chat-edit") ?? this.clone("edit").firstElementChild;
    const field = edit.querySelector("textarea");
    field.value = edit.querySelector("[data-draft]").textContent = text;
    edit.querySelector("[data-error]").textContent = error;
    edit.toggleAttribute("sending", sending);
    if (!edit.isConnected) article.querySelector("[data-parts]").before(edit);
    return field;
  }

  /** What was to take the place of a message: the old one stays. */
  #refuse({ message, text }) {
    const article = this.article(message);
    const draft = article?.querySelector("llm-chat-edit [data-draft]")?.textContent;
    if (draft) return this.#edit({ message, text: draft, error: text });
    if (!article || !text) return;
    const note = this.clone("refused");
    note.querySelector("[data-error]")?.append(text);
    article.querySelector("[data-refusal]")?.remove();
    article.querySelector("[data-footer]")?.prepend(note);
  }

  #wait(status) {
    for (const wait of ChatTranscript.waits) this.toggleAttribute(wait, wait === status);
  }

  // Internals

  #lead({ html, more }) {
    this.prepend(fragment(html));
    this.toggleAttribute("earlier", Boolean(more));
  }

  /** A message that comes with its place, behind another one or first on the page, ends the branch. */
  #show({ id, html, after, earlier }) {
    const article = fragment(html).firstElementChild;
    if (!article) return;
    const [old, before] = [this.article(id), this.article(after ?? "")];
    if (before) before.after(article);
    else if (after !== undefined) this.prepend(article);
    else if (old) old.before(article);
    else this.append(article);
    old?.remove();
    if (after === undefined) return;
    while (article.nextElementSibling) article.nextElementSibling.remove();
    if (after === null) this.toggleAttribute("earlier", Boolean(earlier));
  }

  #addPart({ message, part, html }) {
    const old = this.#part({ message, part });
    this.#wait();
    if (old) old.replaceWith(fragment(html));
    else this.article(message)?.querySelector("[data-parts]")?.append(fragment(html));
  }

  #finish({ message, status, html }) {
    const article = this.article(message);
    if (!article) return;
    article.dataset.status = status;
    article.querySelector("[data-footer]")?.replaceChildren(fragment(html));
  }

  #part({ message, part }) {
    return this.article(message)?.querySelector(`[data-part="${CSS.escape(String(part))}"]`);
  }
}

/** Markup of the server's own. */
function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return localise(document.importNode(template.content, true));
}

const clock = new Intl.DateTimeFormat([], { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "short" });

/** Times as the reader's own clock shows them. */
function localise(root) {
  for (const time of root.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    time.textContent = clock.format(date);
    time.title = calendar.format(date);
  }
  return root;
}

ChatTranscript.define("llm-chat-transcript");
