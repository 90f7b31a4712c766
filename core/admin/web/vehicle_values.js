// Every known value of the vehicle by category, with its unit, age and marks, and the search in them.
import { element, formatCount, make, reconcile, setText } from './base.js';
import { MARKS, describeTimes, formatAgeOf, formatFieldValue, formatUnit, makeFieldName, makeMark, marksOf } from './vehicle_format.js';

const NO_CATEGORY = 'other';
const CHANGE_MS = 1500; // how long a changed value is highlighted
const calm = matchMedia('(prefers-reduced-motion: reduce)');
let values = {};
let extraMs = 0;

/* ---- rows ---- */

function highlight(cell) {
    if (!calm.matches) cell.animate([{ backgroundColor: 'var(--changed)' }, { backgroundColor: 'transparent' }], CHANGE_MS);
}

function makeRow({ name }) {
    const marks = make('span', '');
    const text = make('bdi', 'outside');
    const unit = make('span', 'unit');
    const cell = make('td', 'value', text, unit);
    const age = make('td', 'age');
    const node = make('tr', { 'data-field': name }, make('th', { scope: 'row' }, makeFieldName(name), marks), cell, age);
    let shown = null;
    let marked = '';

    function update({ value }) {
        const now = formatFieldValue(value.value);
        const names = marksOf(value);
        setText(text, now);
        setText(unit, value.value === null ? '' : formatUnit(value.unit));
        setText(age, formatAgeOf(value.age_ms + extraMs));
        if (shown !== null && shown !== now) highlight(cell);
        if (shown !== now || age.title === '') age.title = describeTimes(value);
        shown = now;
        if (marked === names.join()) return;
        marked = names.join();
        marks.replaceChildren(...names.flatMap((mark) => [' ', makeMark(mark)]));
    }
    return { node, update };
}

function makeCategory({ category }) {
    const title = category.replaceAll('_', ' ');
    const body = make('tbody', '');
    const head = ['Field', 'Value', 'Age'].map((text) => make('th', { scope: 'col' }, make('span', 'hidden-text', text)));
    const node = make('section', { class: 'category' }, make('h3', '', title),
        make('table', { 'aria-label': title }, make('thead', '', make('tr', '', head)), body));
    return { node, update: ({ rows }) => reconcile(body, rows, (row) => row.name, makeRow) };
}

/* ---- search ---- */

function matches(name, value, words) {
    const text = `${name} ${value.category || NO_CATEGORY} ${formatFieldValue(value.value)} ${marksOf(value).join(' ')}`.toLowerCase();
    return words.every((word) => text.includes(word));
}

function selectValues() {
    const words = element('find_value').value.toLowerCase().split(/\s+/).filter(Boolean);
    return Object.entries(values).filter(([name, value]) => matches(name, value, words));
}

function byCategory(selected) {
    const categories = new Map();
    for (const [name, value] of selected) {
        const category = value.category || NO_CATEGORY;
        if (!categories.has(category)) categories.set(category, []);
        categories.get(category).push({ name, value });
    }
    return [...categories].map(([category, rows]) => ({ category, rows: rows.sort((a, b) => (a.name < b.name ? -1 : 1)) }))
        .sort((a, b) => (a.category < b.category ? -1 : 1));
}

function renderLegend() {
    const names = Object.keys(MARKS).filter((name) => Object.values(values).some((v) => v[name]));
    const legend = element('values_legend');
    if (legend.dataset.names === names.join()) return;
    legend.dataset.names = names.join();
    legend.replaceChildren(...names.map((name) => make('span', '', makeMark(name), ` ${MARKS[name].text}`)));
}

function render() {
    const selected = selectValues();
    const count = Object.keys(values).length;
    const isSearch = element('find_value').value.trim() !== '';
    reconcile(element('values'), byCategory(selected), (c) => c.category, makeCategory);
    setText(element('values_count'), formatCount(count, 'field'));
    setText(element('values_found'), isSearch ? (selected.length ? `${selected.length} of ${count}` : 'no field matches') : '');
    renderLegend();
}

export function startValues() {
    element('find_value').addEventListener('input', render);
}

// `known`: by field; null: the daemon keeps none. `ms`: the time since the answer arrived.
export function updateValues(known, ms) {
    if (known === null || known === undefined) {
        setText(element('values_legend'), 'fleetrouted keeps no last values, because of `values: false` or `journal: off` in its configuration.');
        return;
    }
    values = known;
    extraMs = ms;
    render();
}
