const ChatElement = customElements.get("llm-chat-element");

const SESSION = "llm-chat session";

/**
 * `<llm-chat-admission>`: what a server that turns the page away means by it, in the attribute `reason`: `session`, `cookies`
 * or `outdated`. A page of another `version` than the server's is loaded again by itself.
 */
class ChatAdmission extends ChatElement {
  static codes = { 4401: "session", 4409: "outdated" };

  /** Whether a server has ever taken the page in. */
  #known = false;

  start() {
    this.hear(this.chat, {
      "chat:close": ({ code }) => this.#refuse(ChatAdmission.codes[code]),
      "chat:frame": ({ event }) => event !== "reload" && this.#admit(),
    });
  }

  #admit() {
    this.removeAttribute("reason");
    if (!this.#known) tried(() => sessionStorage.removeItem(SESSION));
    this.#known = true;
  }

  #refuse(reason) {
    if (reason === "outdated" && this.#renew()) return;
    if (reason === "session" && this.#blocked()) reason = "cookies";
    if (!reason || reason === this.getAttribute("reason")) return;
    this.setAttribute("reason", reason);
    this.tell("chat:barred", { text: this.querySelector(`[data-reason="${reason}"]`)?.textContent });
  }

  // Internals

  /** Reload, but never twice: the next page may be as old as this one, out of a cache or from another process. */
  #renew() {
    const reloads = !unsaved() && remembered(`llm-chat reloaded ${this.chat.getAttribute("version")}`) === false;
    if (reloads) location.reload();
    return reloads;
  }

  /** Whether the browser keeps no cookies: the session's is missing again, or although this page has just set it. */
  #blocked() {
    const again = remembered(SESSION);
    const [{ transferSize } = {}] = performance.getEntriesByType("navigation");
    return !navigator.cookieEnabled || again || (!this.#known && transferSize > 0);
  }
}

/** Whether something is written on the page that a reload would lose; the composer keeps its text. */
function unsaved() {
  const fields = [...document.querySelectorAll("input, textarea")];
  return fields.some((field) => field.value !== field.defaultValue && !field.closest("llm-chat-composer"));
}

/** Whether this tab has noted something before; `undefined` where it cannot note anything. */
function remembered(key) {
  return tried(() => {
    const noted = sessionStorage.getItem(key) !== null;
    sessionStorage.setItem(key, "");
    return noted;
  });
}

/** The storage may be full or closed to this site. */
function tried(act) {
  try {
    return act();
  } catch {}
}

ChatAdmission.define("llm-chat-admission");
