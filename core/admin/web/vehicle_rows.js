// A table of rows with the first ones and a button for the others.
import { make, makeTable } from './base.js';

const FIRST = 8;

// Display `items` in the container. `columns` as for makeTable(); makeCells(item) returns the cells of a row. The table
// is made again only if `items` differ, so that focus and selection stay.
export function renderRows(container, { caption, columns, items, makeCells, empty }) {
    const key = JSON.stringify(items);
    if (container.frKey === key) return;
    container.frKey = key;
    if (items.length === 0) {
        container.replaceChildren(make('p', 'quiet', empty));
        return;
    }
    const rows = items.map((item) => make('tr', '', makeCells(item)));
    const isAll = container.frAll || items.length <= FIRST;
    rows.forEach((row, i) => { row.hidden = !isAll && i >= FIRST; });
    const button = isAll ? null : make('button', { type: 'button', class: 'more', onclick: showAll }, `Show all ${items.length}`);
    container.replaceChildren(makeTable(caption, columns, ...rows), ...(button ? [button] : []));

    function showAll() {
        container.frAll = true;
        for (const row of rows) row.hidden = false;
        button.remove();
        container.querySelector('.scroll').focus();
    }
}

export const rowHead = (...children) => make('th', { scope: 'row' }, ...children);
export const cell = (...children) => make('td', '', ...children);
export const numberCell = (...children) => make('td', 'n', ...children);
