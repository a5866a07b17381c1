const ChatElement = customElements.get("llm-chat-element");

/** A spreadsheet would run these texts as formulas. Numbers and dashes begin alike. */
const FORMULA = /^(?![+-]*\p{Sc}?[\d.,\s]*[%\p{Sc}]?$)[=+@＝＋－＠-]/u;

/** `<llm-chat-box>`: code or a table, which scrolls sideways in its place, below the bar of buttons that it adds. */
class ChatBox extends ChatElement {
  #growth = new ResizeObserver(() => this.#measure());

  connect() {
    if (!this.chat) return;
    const scroller = this.#scroller;
    if (!scroller.previousElementSibling) this.prepend(this.clone(scroller.matches("pre") ? "code" : "table"));
    this.hear(this, {
      click: ({ target }) => this.#click(target.closest("button")),
      focusin: () => this.#measure(),
    });
    this.#growth.observe(scroller);
  }

  disconnect() {
    this.#growth.disconnect();
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

  /** Only what is too wide for its place can be focused, to be scrolled by keys, and has a name then. */
  #measure() {
    const scroller = this.#scroller;
    const wide = scroller.scrollWidth > scroller.clientWidth;
    if (wide === scroller.hasAttribute("tabindex") || scroller.matches(":focus")) return;
    const label = this.find("[data-bar]").ariaLabel;
    for (const [name, value] of Object.entries({ tabindex: 0, role: "group", "aria-label": label })) {
      if (wide) scroller.setAttribute(name, String(value));
      else scroller.removeAttribute(name);
    }
  }

  get #scroller() {
    return /** @type {HTMLElement} */ (this.lastElementChild);
  }
}

/** Write a table as RFC 4180 says. */
function csv(table) {
  const lines = Array.from(table.rows, ({ cells }) => Array.from(cells, field).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function field(cell) {
  const copy = cell.cloneNode(true);
  for (const math of copy.querySelectorAll("math")) math.replaceWith(math.getAttribute("alttext"));
  for (const line of copy.querySelectorAll("br")) line.replaceWith("\n");
  const text = copy.textContent.trim().replace(FORMULA, "'$&");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

ChatBox.define("llm-chat-box");
