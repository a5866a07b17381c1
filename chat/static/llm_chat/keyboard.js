const ChatElement = customElements.get("llm-chat-element");

const FIELDS = "input, textarea, select, [contenteditable]";
const APPLE = /mac|iphone|ipad/i.test(navigator.platform);

/**
 * `<llm-chat-keyboard>`: the keys of the chat, the dialog that lists them, and a place for the focus where the element that has
 * it disappears. docs/page.md lists the keys and says where they act.
 */
class ChatKeyboard extends ChatElement {
  /** @type {Record<string, () => boolean>} By the key's name; each returns whether it has done something. */
  #keys = {
    "Mod+Shift+o": () => this.#click(document.querySelector("a[data-shortcut=new]")),
    "Mod+k": () => this.#search(),
    "Alt+ArrowUp": () => this.#tell("chat:turn", { by: -1 }),
    "Alt+ArrowDown": () => this.#tell("chat:turn", { by: 1 }),
    ArrowUp: () => this.#edit(),
    Escape: () => this.chat.hasAttribute("streaming") && this.#tell("chat:stop"),
    "/": () => this.#tell("chat:compose", { text: "" }),
    "?": () => this.#help(),
  };

  /** Hears of articles that come and go, and not of the text that grows in them. */
  #articles = new MutationObserver(() => this.#rescue());
  /** @type {HTMLElement | undefined} What had the focus last, in the chat. */
  #last;

  connect() {
    const ground = this.chat.getAttribute("page-url") ? document : this.chat;
    this.hear(ground, {
      keydown: (event) => this.#press(event),
      click: ({ target }) => target.closest("[data-action=shortcuts]") && this.#help(),
    });
    this.hear(this.#dialog, {
      click: ({ target }) => target === this.#dialog && this.#dialog.close(), // `closedby` is not in every browser
    });
    this.hear(this.chat, {
      focusin: ({ target }) => this.#note(target),
      "chat:submit": ({ message }) => message && this.tell("chat:focus"),
      "chat:retry": () => this.tell("chat:focus"),
      "chat:state": () => this.#rescue(),
    });
    for (const box of this.chat.querySelectorAll("llm-chat-transcript, llm-chat-pending")) {
      this.#articles.observe(box, { childList: true });
    }
    if (APPLE) for (const key of this.querySelectorAll("[data-apple]")) key.textContent = key.dataset.apple ?? "";
  }

  disconnect() {
    this.#articles.disconnect();
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return; // for the input method
    const open = [...document.querySelectorAll("dialog[open], :popover-open")];
    if (open.some((each) => !each.contains(this.chat))) return;
    const name = nameOf(event);
    const act = this.#acts(name, event.target) && this.#keys[name];
    if (act ? act() : this.#write(name, event.target)) event.preventDefault();
  }

  /** Return whether a key is the chat's where it was pressed. */
  #acts(name, target) {
    const field = target.closest(FIELDS);
    if (name.startsWith("Mod+")) return true;
    if (name === "ArrowUp") return field?.matches("llm-chat-composer :placeholder-shown");
    if (name.length === 1) return !field && this.chat.contains(target);
    return !field || (field.closest("llm-chat-composer") && (name === "Escape" || !field.value));
  }

  /** Move the focus to where the browser then writes the character. */
  #write(name, target) {
    if ([...name].length === 1 && name !== " " && !target.closest(FIELDS)) this.tell("chat:compose", { text: "" });
    return false;
  }

  #tell(type, detail) {
    this.tell(type, detail);
    return true;
  }

  /** @param {HTMLElement | null | undefined} button */
  #click(button) {
    button?.click();
    return Boolean(button);
  }

  /** Edit the newest question: one that is queued, or else one that is answered. */
  #edit() {
    const stored = ", [data-role=user] [data-action=edit]";
    const buttons = this.chat.querySelectorAll(
      `[data-queued] [value=edit]${this.chat.hasAttribute("streaming") ? "" : stored}`,
    );
    return this.#click([...buttons].at(-1));
  }

  #search() {
    const field = document.querySelector("llm-chat-sidebar [name=q]");
    if (!field?.checkVisibility()) field?.closest("[popover]")?.showPopover();
    field?.focus();
    return Boolean(field);
  }

  #help() {
    this.#dialog.showModal();
    this.find("h2").focus(); // so that it is read out first
    return true;
  }

  #note(target) {
    this.#last = target;
  }

  #rescue() {
    const isLost = [document.body, this.#last].includes(/** @type {HTMLElement} */ (document.activeElement));
    if (isLost && this.#last?.checkVisibility({ visibilityProperty: true }) === false) this.tell("chat:focus");
  }

  get #dialog() {
    return this.find("dialog");
  }
}

/** Return the name of a key with its modifiers; `Mod` is Control, or Command on Apple's keyboards. */
function nameOf({ key, code, altKey, ctrlKey, metaKey, shiftKey }) {
  const alt = altKey ? "Alt+" : "";
  if (!ctrlKey && !metaKey) return alt + key;
  const letter = /^[a-z]$/i.test(key) ? key : code.slice(-1); // other alphabets have other letters there
  const mod = (APPLE ? ctrlKey : metaKey) ? "Other" : "Mod";
  return `${mod}+${alt}${shiftKey ? "Shift+" : ""}${letter.toLowerCase()}`;
}

ChatKeyboard.define("llm-chat-keyboard");
