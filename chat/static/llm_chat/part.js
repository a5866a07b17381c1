const ChatElement = customElements.get("llm-chat-element");

const CODE_END = "</code></pre></llm-chat-box>";
/** The attributes that boxes set, never the server. */
const SET_BY_SCRIPTS = ["tabindex", "role", "aria-label", "wrapped"];
/** @type {Record<string, string>} */
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\u00a0": "&nbsp;" };

/**
 * `<llm-chat-part>`: one part of a message, as a row of blocks that grows at its end by the `chat:patch`es that it receives.
 * They count in the server's HTML of a block, which is kept, not in what a browser makes of it.
 */
class ChatPart extends ChatElement {
  /** @type {string[]} */
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
    const block = blocks.children[keep] ?? blocks.appendChild(emptyBlock());
    const next = this.fragment(html);
    keepSelection(block, () => grow(block, next));
  }

  /** Append to the text node, so that a selection inside it stays; and to the source, escaped as the server does. */
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

/** Return HTML with stretches of the old one: up to `from`, between the insertions of `then`, and its `tail`. */
function splice(source, { from = 0, html = "", then = [], tail = 0 }) {
  let result = source.slice(0, from) + html;
  let end = from;
  for (const [units, more] of then) {
    result += source.slice(end, end + units) + more;
    end += units;
  }
  return result + source.slice(source.length - tail);
}

function emptyBlock() {
  const block = document.createElement("div");
  block.className = "llm-chat-block";
  return block;
}

/** Whether anything is selected. Asking at each change would cost a layout. */
let selecting = false;
document.addEventListener("selectionchange", () => {
  selecting = !getSelection()?.isCollapsed;
});

/** Select the same text again where a change replaces it, as the colours of code do. */
function keepSelection(block, change) {
  const selection = selecting ? getSelection() : null;
  if (!selection?.anchorNode || !selection.focusNode || !selection.containsNode(block, true)) {
    change();
    return;
  }
  const selected = selection.toString();
  const anchor = place(block, selection.anchorNode, selection.anchorOffset);
  const focus = place(block, selection.focusNode, selection.focusOffset);
  change();
  if (selection.toString() !== selected) selection.setBaseAndExtent(...anchor(), ...focus());
}

/** @returns {() => [Node, number]} It finds a place again, inside the block by the characters before it. */
function place(block, node, offset) {
  if (!block.contains(node)) return () => [node, offset];
  const before = document.createRange();
  before.setStart(block, 0);
  before.setEnd(node, offset);
  const length = before.toString().length;
  return () => {
    const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    let text = /** @type {Text | null} */ (texts.nextNode());
    let rest = length;
    while (text && rest > text.length) {
      rest -= text.length;
      text = /** @type {Text | null} */ (texts.nextNode());
    }
    return text ? [text, rest] : [block, block.childNodes.length];
  };
}

/** Leave equal nodes at the front alone: what is selected, focused or scrolled there stays. */
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
    node.appendChild(fresh);
    fresh = following;
  }
}

/** Turn a node into another without replacing it, if possible. */
function adapt(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    adaptText(old, fresh.data);
    return true;
  }
  if (!(old instanceof Element)) return false;
  const likeness = /** @type {Element} */ (old.cloneNode());
  for (const name of SET_BY_SCRIPTS) likeness.removeAttribute(name);
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
