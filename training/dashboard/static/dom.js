/** Creates elements. Text is inserted as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Creates an element with properties, attributes (names with a dash, `role`), and children (null is skipped). */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.includes("-")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Creates an SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Returns the element with an id, which must exist. */
export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`the page has no element ${id}`);
  return node;
}

/** Sets a text only if it changes, so that selections and screen readers are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replaces children only if `key` differs from the last call. */
export function rebuild(node, key, build) {
  const text = JSON.stringify(key);
  if (node.dataset.built === text) return;
  node.dataset.built = text;
  node.replaceChildren(...build());
}
