// The charts of the vehicle: battery, speed, power, temperatures and chosen fields, for an hour, a day or a week.
import { ApiError, element, make, poll, setText } from './base.js';
import { isPosition } from './vehicle_format.js';
import { isHistoryOff, readHistory, tryHistory } from './vehicle_history.js';
import { loadChart, missingPackage } from './vehicle_library.js';
import { makePlot } from './vehicle_plot.js';

const POINTS = 360;
const CHOSEN_MAX = 4;
const CHECK_MS = 5000;
const STORED = 'fleetroute-charts';
const MINUTE_MS = 60000;
const HOUR_MS = 60 * MINUTE_MS;
// gapMs: a longer time without a value is a dotted line.
const RANGES = {
    hour: { title: '1 hour', ms: HOUR_MS, everyMs: 10000, gapMs: 5 * MINUTE_MS },
    day: { title: '1 day', ms: 24 * HOUR_MS, everyMs: 60000, gapMs: 30 * MINUTE_MS },
    week: { title: '1 week', ms: 168 * HOUR_MS, everyMs: 300000, gapMs: 3 * HOUR_MS },
};
const STANDARD = [
    { title: 'Battery', fields: ['Soc', 'BatteryLevel'], min: 0, max: 100 },
    { title: 'Speed', fields: ['VehicleSpeed'], zero: true },
    { title: 'Power', fields: ['DCChargingPower', 'ACChargingPower', 'PackVoltage', 'PackCurrent'], zero: true, derive: derivePower },
    { title: 'Temperatures', fields: ['InsideTemp', 'OutsideTemp', 'ModuleTempMin', 'ModuleTempMax'] },
];

let range = 'day';
let known = null; // the last values by field; null: unknown
let chosen = []; // fields
let dueMs = 0;
let poller = null;
const plots = new Map(); // by title

/* ---- power ---- */

// The voltage at a time: that of the nearest earlier time, else the first.
function valuesAt(series, times) {
    let i = 0;
    return times.map((t) => {
        while (i + 1 < series.t.length && series.t[i + 1] <= t) i++;
        return series.avg[i];
    });
}

// The power of the battery from its voltage and current, in the sign of the current.
function derivePower(series) {
    const voltage = series.find((s) => s.field === 'PackVoltage');
    const current = series.find((s) => s.field === 'PackCurrent');
    const others = series.filter((s) => s !== voltage && s !== current);
    if (!voltage?.t.length || !current?.t.length) return others;
    const volts = valuesAt(voltage, current.t);
    const column = (name) => current[name].map((n, i) => (n * volts[i]) / 1000);
    return [...others, { ...current, name: 'Pack V × A', unit: 'kW', avg: column('avg'), min: column('min'), max: column('max'), last: column('last') }];
}

/* ---- requests ---- */

const isWanted = (field) => known === null || field in known;

// Zeros only: this kind of charging was not used in the time.
const isUsed = (s) => !s.field.endsWith('ChargingPower') || s.max.some((n) => n !== 0);

function seriesOf(chart, answer) {
    const series = answer.series.filter((s) => chart.fields.includes(s.field)).map((s) => ({ ...s, name: s.field }));
    const all = chart.derive ? chart.derive(series) : series;
    const used = all.filter(isUsed);
    return used.length ? used : all.slice(0, 1);
}

async function request(fields) {
    const { ms } = RANGES[range];
    return readHistory('history', { fields: fields.join(), from: -ms, points: POINTS });
}

async function refreshStandard() {
    const charts = STANDARD.filter((c) => c.fields.some(isWanted));
    const fields = charts.flatMap((c) => c.fields).filter(isWanted);
    const answer = fields.length ? await request(fields) : null;
    for (const chart of STANDARD) if (!charts.includes(chart)) removePlot(chart.title);
    for (const chart of charts)
        addPlot(chart).set({ ...answer, series: seriesOf(chart, answer), gapMs: RANGES[range].gapMs });
}

async function refreshChosen(field) {
    try {
        const answer = await request([field]);
        if (chosen.includes(field))
            addChosen(field).set({ ...answer, series: answer.series.map((s) => ({ ...s, name: s.field })), gapMs: RANGES[range].gapMs });
    } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 400) throw error;
        addChosen(field).fail(error.message);
    }
}

async function refresh() {
    if (Date.now() < dueMs) return;
    dueMs = Date.now() + RANGES[range].everyMs;
    try {
        await tryHistory(element('charts_problem'), () => Promise.all([refreshStandard(), ...chosen.map(refreshChosen)]));
        if (!isHistoryOff && !(await loadChart())) setText(element('charts_problem'), missingPackage('No charts', 'libjs-chart.js'));
    } catch (error) {
        dueMs = 0;
        throw error;
    }
}

function refreshNow() {
    dueMs = 0;
    poller.run();
}

/* ---- plots ---- */

function addPlot(chart) {
    if (!plots.has(chart.title)) {
        const plot = makePlot(chart);
        plots.set(chart.title, plot);
        element('charts').append(plot.node);
    }
    return plots.get(chart.title);
}

function removePlot(title) {
    plots.get(title)?.destroy();
    plots.delete(title);
}

const addChosen = (field) => addPlot({ title: field, onremove: () => removeChosen(field) });

function removeChosen(field) {
    chosen = chosen.filter((f) => f !== field);
    removePlot(field);
    store();
    renderChoice();
    element('choose').focus();
}

/* ---- controls ---- */

function store() {
    try {
        localStorage.setItem(STORED, JSON.stringify({ range, chosen }));
    } catch (error) {
        // Without storage, the choice is lost with the page.
    }
}

function restore() {
    try {
        const stored = JSON.parse(localStorage.getItem(STORED)) || {};
        if (Object.hasOwn(RANGES, stored.range)) range = stored.range;
        if (Array.isArray(stored.chosen)) chosen = stored.chosen.filter((f) => /^\w{1,64}$/.test(f)).slice(0, CHOSEN_MAX);
    } catch (error) {
        // Nothing is stored.
    }
}

const isChartable = (field) => known[field].value !== null && !isPosition(known[field].value) &&
    !STANDARD.some((c) => c.fields.length === 1 && c.fields[0] === field);

// The fields that can be added, in groups by category; rebuilt only when they change.
function renderChoice() {
    const fields = Object.keys(known || {}).filter((f) => isChartable(f) && !chosen.includes(f)).sort();
    const select = element('choose');
    const key = `${fields.join()} ${chosen.length}`;
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    const groups = new Map();
    for (const field of fields) {
        const category = (known[field].category || 'other').replaceAll('_', ' ');
        groups.set(category, [...(groups.get(category) || []), field]);
    }
    select.replaceChildren(make('option', { value: '' }, chosen.length < CHOSEN_MAX ? 'choose …' : 'at most 4 fields'),
        ...[...groups].sort().map(([category, list]) => make('optgroup', { label: category }, list.map((f) => make('option', { value: f }, f)))));
    select.disabled = chosen.length >= CHOSEN_MAX;
}

function choose(event) {
    const field = event.target.value;
    if (!field) return;
    chosen.push(field);
    store();
    renderChoice();
    addChosen(field);
    refreshNow();
}

function makeRange([name, { title }]) {
    const input = make('input', { type: 'radio', name: 'range', value: name, checked: name === range });
    input.addEventListener('change', () => {
        range = name;
        store();
        refreshNow();
    });
    return make('label', '', input, title);
}

export function startCharts() {
    loadChart(); // while the history answers
    restore();
    element('ranges').append(...Object.entries(RANGES).map(makeRange));
    element('choose').addEventListener('change', choose);
}

// `values`: of the vehicle, or null. The first call begins the requests.
export function updateCharts(values) {
    const isNew = known !== null && values && Object.keys(values).some((f) => !(f in known));
    known = values || null;
    renderChoice();
    if (poller === null) poller = poll(refresh, CHECK_MS);
    else if (isNew) refreshNow();
}
