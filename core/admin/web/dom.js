// Elements, lists and tables. Texts are never markup.
import { cleanText } from './format.js';

// The address of a path of this server, also behind a proxy that adds a folder in front of it.
export const address = (path) => new URL(`../${path}`, import.meta.url).href;

// An element. `attributes` is a class name, or an object: `class`, `on…` functions, properties (hidden, value,
// checked, disabled, tabIndex), and attributes; null and false are omitted. Children are elements or texts, never markup.
export function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    const all = typeof attributes === 'string' ? { class: attributes } : attributes || {};
    for (const [name, value] of Object.entries(all)) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
        else if (name !== 'class' && name in node && typeof node[name] !== 'string') node[name] = value;
        else node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ''));
    return node;
}

// A text from outside (a value, a name, a message of a peer): isolated from the direction of the text around it.
export const outside = (text, max, lines) => make('bdi', 'outside', cleanText(text ?? '', max, lines));

// Such a text with the commands in it, which are between ` and `, as code.
export function withCode(text) {
    return String(text ?? '').split('`').map((piece, i) => (i % 2 ? make('code', '', outside(piece)) : outside(piece, 2000)));
}

// Change a text only when it differs, so that a selection and a screen reader are not disturbed.
export function setText(node, text) {
    if (node.textContent !== String(text)) node.textContent = text;
}

export function setClass(node, name) {
    if (node.className !== name) node.className = name;
}

export const element = (id) => document.getElementById(id);

// Make the children of `parent` match `items` without replacing elements that stay: focus and selection survive.
// create(item) returns {node, update(item)}.
export function reconcile(parent, items, keyOf, create) {
    const old = parent.frRows || new Map();
    const rows = new Map();
    for (const item of items) {
        const key = keyOf(item);
        const row = old.get(key) || create(item);
        rows.set(key, row);
        row.update(item);
    }
    for (const [key, row] of old) if (!rows.has(key)) row.node.remove();
    let next = parent.firstElementChild;
    for (const row of rows.values()) {
        if (row.node === next) next = next.nextElementSibling;
        else parent.insertBefore(row.node, next);
    }
    parent.frRows = rows;
}

// A table in a region that scrolls by itself. `columns`: [{title, className}].
export function makeTable(caption, columns, ...rows) {
    return make('div', { class: 'scroll', role: 'region', 'aria-label': caption, tabIndex: 0 },
        make('table', '', make('caption', 'hidden-text', caption),
            make('thead', '', make('tr', '', columns.map((c) => make('th', { scope: 'col', class: c.className }, c.title)))),
            make('tbody', '', rows)));
}
