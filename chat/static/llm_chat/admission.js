const ChatElement = customElements.get("llm-chat-element");

const SESSION = "llm-chat session";

/**
 * `<llm-chat-admission>`: says why a server turns the page away, in its attribute `reason`. A page of another version than the
 * server's is reloaded first.
 */
class ChatAdmission extends ChatElement {
  /** @type {Record<number, string>} */
  static reasons = { 4401: "session", 4409: "outdated" };

  /** Whether a server has ever admitted the page. */
  #known = false;

  connect() {
    this.hear(this.chat, {
      "chat:close": ({ code = 0 }) => this.#refuse(ChatAdmission.reasons[code]),
      "chat:frame": ({ event }) => event !== "reload" && this.#admit(),
    });
  }

  #admit() {
    this.removeAttribute("reason");
    if (!this.#known) attempt(() => sessionStorage.removeItem(SESSION));
    this.#known = true;
  }

  #refuse(reason) {
    if (reason === "outdated" && this.#renew()) return;
    if (reason === "session" && this.#isBlocked()) this.#show("cookies");
    else if (reason) this.#show(reason);
  }

  // Internals

  #show(reason) {
    if (reason === this.getAttribute("reason")) return;
    this.setAttribute("reason", reason);
    const text = this.querySelector(`[data-reason="${reason}"]`)?.textContent ?? "";
    this.tell("chat:problem", { text, elsewhere: true });
  }

  /** Reload once: the next page may be as old, from a cache or another process. Return whether that is happening. */
  #renew() {
    const reloads = !isUnsaved() && note(`llm-chat reloaded ${this.chat.getAttribute("version")}`) === false;
    if (reloads) location.reload();
    return reloads;
  }

  /** Return whether the browser keeps no cookies: the session's is missing again, or although the page has just set it. */
  #isBlocked() {
    const again = note(SESSION);
    /** @type {any} */
    const navigation = performance.getEntriesByType("navigation")[0];
    return !navigator.cookieEnabled || again || (!this.#known && navigation?.transferSize > 0);
  }
}

/** Return whether a reload would lose something that is written. The composer keeps its text. */
function isUnsaved() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const fields = document.querySelectorAll("input, textarea");
  return [...fields].some((field) => field.value !== field.defaultValue && !field.closest("llm-chat-composer"));
}

/** Note something for this tab. Return whether it had been noted before, `undefined` where nothing can be noted. */
function note(key) {
  return attempt(() => {
    const noted = sessionStorage.getItem(key) !== null;
    sessionStorage.setItem(key, "");
    return noted;
  });
}

function attempt(act) {
  try {
    return act();
  } catch {
    return undefined; // the storage is full, or closed to this site
  }
}

ChatAdmission.define("llm-chat-admission");
