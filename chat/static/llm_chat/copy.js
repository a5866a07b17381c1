const ChatElement = customElements.get("llm-chat-element");

const PLAIN = "text/plain";
const RICH = "text/html";

/** `<llm-chat-copy>`: the clipboard. An answer goes there as Markdown, and as HTML that mails and documents take. */
class ChatCopy extends ChatElement {
  pause = 2_000;

  connect() {
    this.hear(this.chat, { "chat:copy": (detail) => this.#copy(detail) });
  }

  /** @param {ChatEventMap["chat:copy"]} detail */
  async #copy({ button, text, article }) {
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
    const icon = button.querySelector("use").href;
    const shape = icon.baseVal;
    button.title = copied;
    icon.baseVal = "#llm-chat-done";
    setTimeout(() => {
      button.title = title;
      icon.baseVal = shape;
    }, this.pause);
  }

  /** Some browsers allow nothing later than the click, so they get the promise. Some take plain text only. */
  async #write(text, html, button) {
    try {
      /** @type {Record<string, Blob | Promise<Blob>>} */
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

/** Attributes that mean something on this page only. */
const OURS = ["class", "dir", "tabindex", "role", "aria-label", "target", "rel"];

/** Return an answer as other programs have it: without reasoning, bars and our classes, headings at their own level. */
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
