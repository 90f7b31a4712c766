// The page of one vehicle: its state and the most important values; other modules make the other parts.
import { ApiError, cleanText, element, formatCount, get, make, outside, poll, reconcile, setClass, setText, startPage } from './base.js';
import { updateCharts, startCharts } from './vehicle_charts.js';
import { formatAgeOf, formatFieldValue, formatMeasure, formatUnit, makeMark, marksOf } from './vehicle_format.js';
import { vehiclePath, vin } from './vehicle_history.js';
import { startLists } from './vehicle_lists.js';
import { startMap, updateMap } from './vehicle_map.js';
import { startSessions } from './vehicle_sessions.js';
import { startValues, updateValues } from './vehicle_values.js';

const INTERVAL_MS = 2000;
const TILE_TEXT_MAX = 40; // characters
let last = null; // the last answer and the time of its arrival
let startedParts = false;

/* ---- name and state ---- */

function describeState(v) {
    if (v.misbehaving) return ['bad', `${v.connected ? 'connected' : 'disconnected'}, sends rejected messages`];
    if (v.silent) return ['warn', 'connected, silent'];
    return v.connected ? ['good', 'connected'] : ['quiet', 'disconnected'];
}

function stateFacts(v, nowMs) {
    const facts = [v.last_ms ? `last record ${formatAgeOf(nowMs - v.last_ms)}${nowMs - v.last_ms < 1000 ? '' : ' ago'}` : 'no record since the start of fleetrouted'];
    if (v.records) facts.push(formatCount(v.records, 'record'));
    if (v.faults) facts.push(formatCount(v.faults, 'rejected message'));
    if (v.connections > 1) facts.push(`${v.connections} connections`);
    if (v.address) facts.push(`from ${v.address}`);
    return facts.join(' · ');
}

function renderHead(v, nowMs) {
    const name = v.name || v.vin;
    const [className, text] = describeState(v);
    if (element('vehicle_name').textContent !== name) element('vehicle_name').replaceChildren(outside(name, 100));
    element('vehicle_vin').hidden = !v.name;
    setText(element('vehicle_vin'), v.vin);
    document.title = `${name.slice(0, 60)} – fleetroute`;
    const state = element('vehicle_state');
    if (!state.firstChild) state.append(make('span', 'state'), ' ', make('span', 'quiet'));
    setClass(state.firstChild, `state ${className}`);
    setText(state.firstChild, text);
    setText(state.lastChild, stateFacts(v, nowMs));
}

/* ---- tiles ---- */

// The first field of the list that has a value, with its unit. `more`: a second field, in small letters.
const TILES = [
    { title: 'Battery', fields: ['Soc', 'BatteryLevel'], isBar: true },
    { title: 'Range', fields: ['EstBatteryRange', 'RatedRange', 'IdealBatteryRange'], digits: 0 },
    { title: 'Speed', fields: ['VehicleSpeed'], more: 'Gear', digits: 0 },
    { title: 'Charging', fields: ['DetailedChargeState', 'ChargeState'] },
    { title: 'Inside', fields: ['InsideTemp'], digits: 1 },
    { title: 'Outside', fields: ['OutsideTemp'], digits: 1 },
    { title: 'Odometer', fields: ['Odometer'], digits: 0 },
    { title: 'Locked', fields: ['Locked'] },
];

const isPresent = (value) => value !== undefined && value.value !== null;

function tileText(tile, value) {
    return typeof value.value === 'number' ? formatMeasure(value.value, tile.digits) : cleanText(formatFieldValue(value.value), TILE_TEXT_MAX);
}

function makeTile(tile) {
    const number = make('bdi', '');
    const unit = make('span', 'unit');
    const bar = tile.isBar ? make('div', { class: 'level', 'aria-hidden': 'true' }, make('div', '')) : null;
    const marks = make('span', '');
    const age = make('span', 'age');
    const title = make('dt', '', tile.title);
    const shown = make('dd', '', number, unit);
    const node = make('div', '', title, shown, bar, make('dd', 'note', age, marks));
    let marked = '';

    function update({ value, more, extraMs }) {
        const names = marksOf(value);
        setText(number, tileText(tile, value));
        setClass(shown, typeof value.value === 'string' && value.value.length > 6 ? 'word' : '');
        setText(unit, formatUnit(value.unit) + (more ? ` · ${tileText({}, more)}` : ''));
        setText(age, formatAgeOf(value.age_ms + extraMs));
        if (bar) bar.firstChild.style.width = `${Math.min(100, Math.max(0, Number(value.value) || 0))}%`;
        if (marked === names.join()) return;
        marked = names.join();
        marks.replaceChildren(...names.flatMap((name) => [' ', makeMark(name)]));
    }
    return { node, update };
}

function renderTiles(values, extraMs) {
    const tiles = TILES.map((tile) => ({ tile, value: values[tile.fields.find((f) => isPresent(values[f]))], extraMs,
        more: isPresent(values[tile.more]) ? values[tile.more] : null })).filter((t) => t.value);
    element('tiles').hidden = tiles.length === 0;
    reconcile(element('tiles'), tiles, (t) => t.tile.title, (t) => makeTile(t.tile));
}

/* ---- the answer every two seconds ---- */

function render() {
    const extraMs = performance.now() - last.at;
    const { vehicle } = last;
    renderHead(vehicle, vehicle.now_ms + extraMs);
    renderTiles(vehicle.values || {}, extraMs);
    updateValues(vehicle.values, extraMs);
    updateMap(vehicle.values || {}, extraMs);
    updateCharts(vehicle.values);
}

function renderUnknown(error) {
    element('vehicle').hidden = true;
    element('vehicle_vin').hidden = element('vehicle_state').hidden = true;
    element('unknown').hidden = false;
    element('unknown').replaceChildren(outside(`${error.message}. It appears after its first connection.`));
}

function startParts() {
    startedParts = true;
    startValues();
    startCharts();
    startMap();
    startSessions();
    startLists();
}

async function refresh() {
    try {
        last = { vehicle: await get(vehiclePath), at: performance.now() };
    } catch (error) {
        if (error instanceof ApiError && error.status === 404) {
            renderUnknown(error);
            return;
        }
        if (last) render(); // ages go on
        throw error;
    }
    element('unknown').hidden = true;
    element('vehicle').hidden = element('vehicle_state').hidden = false;
    if (!startedParts) startParts();
    render();
}

startPage('');
element('vehicle_name').replaceChildren(outside(vin, 100));
poll(refresh, INTERVAL_MS);
