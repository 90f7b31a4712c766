// The table of vehicles: searched, filtered, sorted and paged by the server.
import { address, element, formatAge, formatNumber, formatRate, get, make, makePager, outside, reconcile, setClass, setText } from './base.js';

const PAGE = 50;
const TYPING_MS = 250;
const COLUMNS = [
    { key: 'vin', title: 'Vehicle' }, // by name where vehicles have names
    { key: 'state', title: 'State' },
    { key: 'last_seen', title: 'Last record', descending: true },
    { key: 'records', title: 'Records', descending: true, className: 'n wide-only' },
    { title: 'Records/s', className: 'n wide-only' },
    { key: 'faults', title: 'Faults', descending: true, className: 'n wide-only' },
    { title: 'Address', className: 'wide-only' },
];
const STATES = [['', 'All', 'known'], ['connected', 'Connected', 'connected'], ['disconnected', 'Disconnected', 'disconnected'],
    ['silent', 'Silent', 'silent'], ['misbehaving', 'Misbehaving', 'misbehaving']];

// What is displayed; also in the address of the page, so that "back" and a reload keep it.
const view = { find: '', state: '', sort: 'state', order: 'asc', offset: 0 };
let refresh = () => {};
let previous = { now_ms: 0, records: new Map() }; // the last answer, from which rates are computed
let known = 0;
let hasNames = false;

function readAddress() {
    const query = new URLSearchParams(location.search);
    for (const name of ['find', 'state', 'sort', 'order']) view[name] = query.get(name) ?? view[name];
    view.offset = Math.max(0, Number.parseInt(query.get('offset'), 10) || 0);
    if (!STATES.some(([word]) => word === view.state)) view.state = '';
    if (view.sort !== 'name' && !COLUMNS.some((c) => c.key === view.sort)) view.sort = 'state';
    if (view.order !== 'desc') view.order = 'asc';
    view.find = view.find.slice(0, 60);
}

function writeAddress() {
    const query = new URLSearchParams(Object.entries(view).filter(([name, value]) =>
        value && !(name === 'sort' && value === 'state') && !(name === 'order' && value === 'asc')));
    history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
}

function change(values) {
    Object.assign(view, { offset: 0 }, values);
    writeAddress();
    renderHead();
    refresh();
}

/* ---- head and filter ---- */

function renderHead() {
    COLUMNS.forEach((column, i) => {
        const cell = element('vehicle_head').children[i];
        if (column.key === (view.sort === 'name' ? 'vin' : view.sort)) cell.setAttribute('aria-sort', view.order === 'desc' ? 'descending' : 'ascending');
        else cell.removeAttribute('aria-sort');
    });
}

function sortBy(column) {
    const first = column.descending ? 'desc' : 'asc';
    const key = column.key === 'vin' && hasNames ? 'name' : column.key;
    const order = view.sort !== key ? first : view.order === 'asc' ? 'desc' : 'asc';
    change({ sort: key, order });
}

function makeControls() {
    element('vehicle_head').replaceChildren(...COLUMNS.map((column) => make('th', { scope: 'col', class: column.className },
        column.key ? make('button', { type: 'button', onclick: () => sortBy(column) }, column.title) : column.title)));
    element('state_choice').replaceChildren(...STATES.map(([word, title]) => make('label', '',
        make('input', { type: 'radio', name: 'state', value: word, checked: view.state === word, onchange: () => change({ state: word }) }),
        title, ' ', make('span', { class: 'count' }))));
    element('find').value = view.find;
    let timer = null;
    element('find').addEventListener('input', () => {
        clearTimeout(timer);
        timer = setTimeout(() => change({ find: element('find').value.trim() }), TYPING_MS);
    });
}

function renderCounts(list) {
    STATES.forEach(([, , count], i) => {
        setText(element('state_choice').children[i].querySelector('.count'), formatNumber(list[count]));
    });
}

/* ---- rows ---- */

function makeRow(vehicle) {
    const vin = vehicle.vin;
    const link = make('a', { href: address(`vehicle/${encodeURIComponent(vin)}`) }, outside(vehicle.name || vin));
    const small = make('small', '', vehicle.name ? outside(vin) : '');
    const cells = COLUMNS.slice(1).map((column) => make('td', column.className || ''));
    const state = make('span', 'state');
    const more = make('span', '');
    cells[0].append(state, more);

    function update(v) {
        setText(link.firstChild, v.name || v.vin);
        small.hidden = !v.name;
        setText(state, v.silent ? 'silent' : v.connected ? 'connected' : 'disconnected');
        setClass(state, `state ${v.silent ? 'warn' : v.connected ? 'good' : 'quiet'}`);
        setText(more, v.misbehaving ? ' · misbehaving' : v.connections > 1 ? ` · ${formatNumber(v.connections)} connections` : '');
        setClass(more, v.misbehaving ? 'bad' : 'quiet');
        setText(cells[1], formatAge(v.now_ms, v.last_ms));
        setText(cells[2], formatNumber(v.records));
        setText(cells[3], formatRate(v.rate));
        setText(cells[4], formatNumber(v.faults));
        setText(cells[5], v.address || '');
    }
    return { node: make('tr', '', make('th', { scope: 'row' }, link, small), cells), update };
}

// The growth of the counter per second since the last answer; null: unknown.
function rateOf(vehicle, seconds) {
    const old = previous.records.get(vehicle.vin);
    return old === undefined || vehicle.records < old || !(seconds > 0) ? null : (vehicle.records - old) / seconds;
}

function emptyText(list) {
    if (list.found) return '';
    return list.known ? 'No vehicle matches.' : 'No vehicle has connected yet. The checklist shows what is missing.';
}

/* ---- the whole ---- */

const pager = makePager('vehicles', (offset) => change({ offset }));

// Read a page of vehicles and display it.
export async function refreshVehicles() {
    const query = new URLSearchParams({ ...view, limit: PAGE });
    if (!view.state) query.delete('state');
    const list = await get(`api/vehicles?${query}`);
    if (list.found > 0 && view.offset >= list.found) {
        change({ offset: Math.floor((list.found - 1) / PAGE) * PAGE });
        return;
    }
    const seconds = (list.now_ms - previous.now_ms) / 1000;
    reconcile(element('vehicles'), list.vehicles.map((v) => ({ ...v, now_ms: list.now_ms, rate: rateOf(v, seconds) })),
        (v) => `${v.name || ''} ${v.vin}`, makeRow);
    previous = { now_ms: list.now_ms, records: new Map(list.vehicles.map((v) => [v.vin, v.records])) };
    known = list.known;
    hasNames = list.vehicles.some((v) => v.name);
    renderCounts(list);
    setText(element('vehicle_count'), `${formatNumber(list.connected)} connected, ${formatNumber(list.known)} known`);
    setText(element('no_vehicles'), emptyText(list));
    element('vehicle_table').parentElement.hidden = list.found === 0;
    element('vehicle_controls').hidden = list.known === 0;
    pager.update(view.offset, PAGE, list.found);
}

// The time between two requests: sorting very many vehicles takes the daemon some time.
export const vehiclesInterval = () => (known > 5000 ? 5000 : 2000);

// `run` requests the page at once; see poll().
export function startVehicles(run) {
    refresh = run;
    element('vehicles_section').append(pager.node);
    readAddress();
    makeControls();
    renderHead();
}
