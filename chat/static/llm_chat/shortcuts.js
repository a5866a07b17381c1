const ChatElement = customElements.get("llm-chat-element");

/** Where it is noted on the device that single keys do nothing. */
const OFF = "llm-chat single keys off";
const APPLE = /mac|iphone|ipad/i.test(navigator.platform);

/**
 * `<llm-chat-shortcuts>`: the keys of the chat, and the dialog that lists them. They act on the app's own page as a whole; a chat
 * on another page takes only keys that are pressed inside it. Single keys can be switched off.
 */
class ChatShortcuts extends ChatElement {
  // Each returns whether the key has done something.

  /** @type {Record<string, () => boolean>} */
  #commands = {
    "Mod+Shift+o": () => this.#begin(),
    "Mod+k": () => this.#find(),
  };

  /** @type {Record<string, (field: HTMLElement | null) => boolean>} Where no text is moved in. */
  #moves = {
    "Alt+ArrowUp": () => this.#turn(-1),
    "Alt+ArrowDown": () => this.#turn(1),
    ArrowUp: (field) => field !== null && this.#edit(),
  };

  connect() {
    const ground = this.chat.getAttribute("page-url") ? document : this.chat;
    this.hear(ground, {
      keydown: (event) => this.#press(event),
      click: ({ target }) => target.closest("[data-action=shortcuts]") && this.#help(),
    });
    this.hear(this.#dialog, {
      click: ({ target }) => target === this.#dialog && this.#dialog.close(), // `closedby` is not in every browser
      close: () => document.activeElement === document.body && this.tell("chat:focus"),
    });
    this.hear(this.#switch, { change: () => this.#keep() });
    this.#switch.checked = attempt(() => localStorage.getItem(OFF)) === null;
    this.#name();
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return; // for the input method
    if (document.querySelector("dialog[open], :popover-open")) return;
    const name = nameOf(event);
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    const isElsewhere = field && !this.find("llm-chat-composer", this.chat).contains(field);
    if (this.#commands[name]?.() || (!isElsewhere && this.#move(name, field))) event.preventDefault();
  }

  #move(name, field) {
    if (name === "Escape") return this.#stop();
    if (field?.value) return false;
    return this.#moves[name]?.(field) || (!field && this.#single(name));
  }

  #single(name) {
    if ([...name].length !== 1 || name === " " || !this.#switch.checked) return false;
    if (name === "?") return this.#help();
    this.tell("chat:compose", { text: "" }); // where the browser writes the letter
    return name === "/";
  }

  #stop() {
    if (!this.#isStreaming) return false;
    this.tell("chat:stop");
    return true;
  }

  #turn(by) {
    this.tell("chat:turn", { by });
    return true;
  }

  /** Edit the newest question: one that is queued, or else one that is answered. */
  #edit() {
    const stored = this.#isStreaming ? "" : ", llm-chat-transcript [data-role=user] [data-action=edit]";
    const button = [...this.chat.querySelectorAll(`[data-action=recall]${stored}`)].at(-1);
    button?.click();
    return Boolean(button);
  }

  #begin() {
    const link = document.querySelector("a[data-shortcut=new]");
    link?.click();
    return Boolean(link);
  }

  #find() {
    const field = document.querySelector("llm-chat-sidebar [name=q]");
    if (!field?.checkVisibility()) field?.closest("[popover]")?.showPopover();
    field?.focus();
    return Boolean(field);
  }

  #help() {
    this.#dialog.showModal();
    this.find("h2").focus();
    return true;
  }

  #keep() {
    attempt(() => (this.#switch.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "")));
  }

  /** Name the keys as they are called on Apple's keyboards. */
  #name() {
    if (!APPLE) return;
    for (const key of this.querySelectorAll("[data-apple]")) key.textContent = key.dataset.apple ?? "";
  }

  // Internals

  get #isStreaming() {
    return this.chat.hasAttribute("streaming");
  }

  get #dialog() {
    return this.find("dialog");
  }

  get #switch() {
    return this.find("input");
  }
}

/** Return the name of a key with its modifiers; `Mod` is Control, or Command on Apple's keyboards. */
function nameOf({ key, code, altKey, ctrlKey, metaKey, shiftKey }) {
  const [mod, other] = APPLE ? [metaKey, ctrlKey] : [ctrlKey, metaKey];
  const letter = /^[a-z]$/i.test(key) ? key : code.slice(-1); // other alphabets have other letters there
  const shift = shiftKey && (mod || key.length > 1); // else it is part of the character
  const names = [mod && "Mod", other && "Other", altKey && "Alt", shift && "Shift", mod ? letter.toLowerCase() : key];
  return names.filter(Boolean).join("+");
}

function attempt(act) {
  try {
    return act();
  } catch {
    return null; // the storage is full, or closed to this site
  }
}

ChatShortcuts.define("llm-chat-shortcuts");
